"""What a tenant has declared of its contacts' attributes."""

from core.domain.attributes import Attribute, AttributeType, by_name
from core.domain.ids import TenantId
from core.store.database import Connection
from core.store.queries import load

_SQL = load("attributes")


async def list_declared(connection: Connection, tenant_id: TenantId) -> dict[str, Attribute]:
    """The declared attributes by name."""
    cursor = await connection.execute(_SQL.list_declared, {"tenant_id": tenant_id})
    return by_name(
        Attribute(
            name=str(name),
            type=AttributeType(str(kind)),
            options=tuple(options) if isinstance(options, list) else (),
            personal=bool(personal),
        )
        for name, kind, options, personal in await cursor.fetchall()
    )
