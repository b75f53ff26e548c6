"""What a connection may see, asked of the server: an address says nothing about it."""

from core.dsn import DatabaseRole
from core.errors import ConfigurationError
from core.store.database import Pool, single_statements
from core.store.queries import load

_sql = load("roles")


async def require_tenant_role(pool: Pool) -> None:
    """Raise ConfigurationError unless these connections see one tenant's rows at a time.

    An address of one's own, or a pooler that drops what a client says while connecting, may log in
    as somebody who sees everybody's: then nothing would be refused, and nobody would notice.
    """
    everybody = [role.role_name for role in DatabaseRole if role is not DatabaseRole.APP]
    async with single_statements(pool) as connection:
        cursor = await connection.execute(_sql.look_at_role, {"seeing_all": everybody})
        row = await cursor.fetchone()
    if row is None or not row[1] or row[2]:
        raise ConfigurationError(
            f"the API's database login acts as {row[0] if row else 'nobody'}, who is not "
            "carteiro_app and nothing more; mend CARTEIRO_APP_DATABASE_URL"
        )
