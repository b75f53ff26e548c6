"""The country that a tenant's numbers without a calling code belong to."""

from api.dto import Answer
from api.rows import fetch_known
from core.domain.ids import TenantId
from core.store.database import Connection
from core.store.queries import load

_sql = load("tenants")


class _Region(Answer):
    default_region: str


async def tenant_region(connection: Connection, tenant_id: TenantId) -> str:
    """As ISO 3166 writes it: BR."""
    place = {"tenant_id": tenant_id}
    row = await fetch_known(connection, _Region, _sql.get_tenant_region, place, what="tenant")
    return row.default_region
