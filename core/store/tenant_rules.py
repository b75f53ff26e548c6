"""Rules an operator sets for a tenant: who approves, how much marketing, which countries."""

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from core.domain.ids import TenantId
from core.errors import NotFound
from core.store.queries import load

_SQL = load("tenant_rules")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketingCap:
    """At most so many marketing messages a person in so many days; None: no cap of our own."""

    messages: int | None
    days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRules:
    """A tenant's rules as they are now."""

    four_eyes: bool
    marketing_cap_messages: int | None
    marketing_cap_days: int | None
    blocked_countries: list[str]


def set_rules(
    connection: psycopg.Connection[tuple[object, ...]],
    *,
    tenant_id: TenantId,
    actor: str,
    four_eyes: bool | None = None,
    cap: MarketingCap | None = None,
    blocked_countries: list[str] | None = None,
) -> TenantRules:
    """Change the rules that are given, with an audit entry. Raises NotFound."""
    with connection.cursor(row_factory=class_row(TenantRules)) as cursor:
        cursor.execute(
            _SQL.set_rules,
            {
                "tenant_id": tenant_id,
                "actor": actor,
                "four_eyes": four_eyes,
                "sets_cap": cap is not None,
                "cap_messages": cap and cap.messages,
                "cap_days": cap and cap.days,
                "blocked_countries": blocked_countries,
            },
        )
        rules = cursor.fetchone()
    if rules is None:
        raise NotFound("there is no such tenant")
    return rules
