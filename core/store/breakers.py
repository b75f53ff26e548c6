"""What stops sending until a person acts, and how an operator lifts it.

Stops are written by sender/consequences.py. A lift closes its alert in the same transaction.
Synchronous, for commands and tests; each function runs in the caller's connection of role
`operator` and commits nothing by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from core.domain.ids import PhoneNumberId, TemplateId, TenantId, WabaId
from core.errors import Conflict, InvalidInput, NotFound
from core.store.accounts import seal_token
from core.store.dispatch import NO_TOKEN_PAUSE
from core.store.queries import load

_SQL = load("breakers")
Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """What a lift found and did.

    `reason` is why sending had stopped, None when nothing stood; `alerts` counts those closed;
    `still` says what else stops the same sends.
    """

    reason: str | None
    alerts: int
    still: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateLift:
    """A template and what lifting its halt did; `status` is Meta's last word on it."""

    template_id: TemplateId
    name: str
    language: str
    status: str
    lift: Lift


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something a person must look at; `subject` is Meta's or our id, or a code, never a person."""

    alert_id: UUID
    slug: str
    kind: str
    subject: str
    detail: str
    occurrences: int
    opened_at: datetime
    last_seen_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    tenant_id: TenantId
    blocked_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    tenant_id: TenantId
    pause_reason: str | None
    blocked_reason: str | None
    waba_id: WabaId


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template:
    tenant_id: TenantId
    template_id: TemplateId
    meta_template_id: str
    name: str
    language: str
    status: str
    halted_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _LockedAlert:
    tenant_id: TenantId
    kind: str
    subject: str
    closed: bool
    stands: bool


def replace_token(connection: Connection, *, waba_id: WabaId, token: str) -> Lift:
    """Store another access token and lift what the old one caused; the next claim sends with it.

    Raises NotFound for an unknown account, InvalidInput for a token no HTTP header can carry.
    """
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidInput("an access token is printable ASCII without spaces or line ends")
    account = _lock_account(connection, waba_id)
    key = {"tenant_id": account.tenant_id, "waba_id": waba_id}
    sealed = seal_token(account.tenant_id, token)
    connection.execute(_SQL.store_token, {**key, "access_token_encrypted": sealed})
    connection.execute(_SQL.unblock_account, key)
    connection.execute(_SQL.resume_resting_numbers, {**key, "reason": NO_TOKEN_PAUSE})
    kinds = ["account_blocked", "no_access_token"]
    closed = _close(connection, account.tenant_id, kinds, [waba_id])
    return Lift(reason=account.blocked_reason, alerts=closed)


def unblock_account(connection: Connection, *, waba_id: WabaId) -> Lift:
    """Close an account's breaker, its token unchanged, and lift what stops a category or country.

    Raises NotFound for an unknown account.
    """
    account = _lock_account(connection, waba_id)
    key = {"tenant_id": account.tenant_id, "waba_id": waba_id}
    connection.execute(_SQL.unblock_account, key)
    connection.execute(_SQL.unblock_countries, key)
    connection.execute(_SQL.resume_categories, key)
    closed = _close(connection, account.tenant_id, ["account_blocked"], [waba_id])
    closed += connection.execute(_SQL.close_account_alerts, key).rowcount
    return Lift(reason=account.blocked_reason, alerts=closed)


def resume_number(connection: Connection, *, phone_number_id: PhoneNumberId) -> Lift:
    """End a number's pause. Raises NotFound for an unknown number."""
    key = {"phone_number_id": phone_number_id}
    with connection.cursor(row_factory=class_row(_Number)) as cursor:
        number = cursor.execute(_SQL.lock_number, key).fetchone()
    if number is None:
        raise NotFound(f"there is no number with the id {phone_number_id}")
    connection.execute(_SQL.resume_number, {**key, "tenant_id": number.tenant_id})
    closed = _close(connection, number.tenant_id, ["number_paused"], [phone_number_id])
    blocked = number.blocked_reason
    still = f"its account {number.waba_id} is blocked: {blocked}" if blocked else None
    return Lift(reason=number.pause_reason, alerts=closed, still=still)


def resume_template(connection: Connection, *, template_id: TemplateId) -> list[TemplateLift]:
    """End the halt of one template. Raises NotFound for an unknown id."""
    wanted = {"template_id": template_id, "slug": None, "name": None, "language": None}
    return _resume_templates(connection, wanted, f"the id {template_id}")


def resume_templates_named(
    connection: Connection, *, slug: str, name: str, language: str | None
) -> list[TemplateLift]:
    """End the halt of a tenant's template in one language, or (None) in every language it has.

    A name may be in several accounts of the tenant: all of them. Raises NotFound when in none.
    """
    wanted = {
        "template_id": None,
        "slug": slug,
        "name": name,
        "language": language,
    }
    return _resume_templates(connection, wanted, f"this name and language at {slug}")


def list_alerts(connection: Connection, *, include_closed: bool, limit: int) -> list[Alert]:
    """Alerts of every tenant, the newest first."""
    with connection.cursor(row_factory=class_row(Alert)) as cursor:
        values = {"include_closed": include_closed, "limit": limit}
        return cursor.execute(_SQL.list_alerts, values).fetchall()


def close_alert(connection: Connection, *, alert_id: UUID) -> bool:
    """Close an alert; False when it was closed already.

    Raises NotFound for an unknown id, and Conflict while what it tells of still stops sending:
    a stop that nobody is told of would be forgotten.
    """
    with connection.cursor(row_factory=class_row(_LockedAlert)) as cursor:
        alert = cursor.execute(_SQL.lock_alert, {"alert_id": alert_id}).fetchone()
    if alert is None:
        raise NotFound(f"there is no alert {alert_id}")
    if alert.closed:
        return False
    if alert.stands:
        raise Conflict(
            f"{alert.kind} {alert.subject} still stops sending; lift it, and its alert closes too"
        )
    return _close(connection, alert.tenant_id, [alert.kind], [alert.subject]) == 1


def _lock_account(connection: Connection, waba_id: WabaId) -> _Account:
    with connection.cursor(row_factory=class_row(_Account)) as cursor:
        account = cursor.execute(_SQL.lock_account, {"waba_id": waba_id}).fetchone()
    if account is None:
        raise NotFound(f"there is no WhatsApp account {waba_id}")
    return account


def _resume_templates(
    connection: Connection, wanted: Mapping[str, object], described: str
) -> list[TemplateLift]:
    with connection.cursor(row_factory=class_row(_Template)) as cursor:
        templates = cursor.execute(_SQL.lock_templates, wanted).fetchall()
    if not templates:
        raise NotFound(f"there is no template with {described}")
    return [_resume_one(connection, template) for template in templates]


def _resume_one(connection: Connection, template: _Template) -> TemplateLift:
    connection.execute(
        _SQL.resume_template,
        {"tenant_id": template.tenant_id, "template_id": template.template_id},
    )
    # Sends tell of our id, Meta's webhooks of theirs.
    subjects = [str(template.template_id), template.meta_template_id]
    closed = _close(connection, template.tenant_id, ["template_halted"], subjects)
    approved = template.status == "APPROVED"
    return TemplateLift(
        template_id=template.template_id,
        name=template.name,
        language=template.language,
        status=template.status,
        lift=Lift(
            reason=template.halted_reason,
            alerts=closed,
            still=None if approved else f"Meta's last word on it is {template.status}",
        ),
    )


def _close(
    connection: Connection, tenant_id: TenantId, kinds: list[str], subjects: list[str]
) -> int:
    values = {"tenant_id": tenant_id, "kinds": kinds, "subjects": subjects}
    return connection.execute(_SQL.close_alerts, values).rowcount
