"""Meta's word on templates, be it heard by a webhook or read by a sync: followed in one way.

Every function runs in the caller's transaction. `at` is when Meta said it; what is older than the
last word that was followed changes nothing, and nothing undoes what a person did after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from core.domain.ids import TemplateId, TenantId, new_id
from core.domain.template_status import APPROVED, Effect, effect_of, is_news
from core.store import dispatch, notices
from core.store.database import Connection
from core.store.queries import load
from core.whatsapp.updates import TemplateUpdate

_SQL = load("template_words")
_ALERTS = load("dispatch")
_RED: Final = "RED"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusWord:
    """Meta's status of one template, in capitals, and its word for why."""

    template_id: TemplateId
    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityWord:
    """Meta's quality score of one template: GREEN, YELLOW, RED or UNKNOWN."""

    template_id: TemplateId
    quality: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    template_id: TemplateId
    meta_template_id: str
    status_before: str
    is_halted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    template_id: TemplateId
    name: str
    language: str
    quality: str


async def find_templates(
    connection: Connection, *, tenant_id: TenantId, update: TemplateUpdate
) -> list[TemplateId]:
    """The rows a webhook speaks of: none when no sync has seen the template yet."""
    cursor = await connection.execute(
        _SQL.find_templates,
        {
            "tenant_id": tenant_id,
            "waba_id": update.waba_id,
            "meta_template_id": update.meta_template_id,
            "name": update.name,
            "language": update.language,
        },
    )
    return [TemplateId(UUID(str(row[0]))) for row in await cursor.fetchall()]


async def follow_status(
    connection: Connection, *, tenant_id: TenantId, words: Sequence[StatusWord], at: datetime
) -> None:
    """Store Meta's statuses; halt what they halt with an alert, lift what they lift.

    A halt that is older than a person's lift stays lifted; one of the whole account's category
    stays.
    """
    if not words:
        return
    effects = [effect_of(word.status, word.reason) for word in words]
    values: dict[str, object] = {
        "tenant_id": tenant_id,
        "template_ids": [word.template_id for word in words],
        "statuses": [
            APPROVED if effect is Effect.LIFTS else word.status
            for word, effect in zip(words, effects, strict=True)
        ],
        "changes_halts": [effect is not Effect.NOTHING for effect in effects],
        "halted_reasons": [
            f"Meta: {word.status}" if effect is Effect.HALTS else None
            for word, effect in zip(words, effects, strict=True)
        ],
        "at": at,
    }
    async with connection.cursor(row_factory=class_row(_Heard)) as cursor:
        await cursor.execute(_SQL.follow_status, values)
        heard = {row.template_id: row for row in await cursor.fetchall()}
    for word, effect in zip(words, effects, strict=True):
        template = heard.get(word.template_id)
        if template is not None:
            await _tell(connection, tenant_id, word, effect, template, at)


async def _tell(
    connection: Connection,
    tenant_id: TenantId,
    word: StatusWord,
    effect: Effect,
    template: _Heard,
    at: datetime,
) -> None:
    """Open or close the alert that belongs to what was followed."""
    halts = effect is Effect.HALTS and template.is_halted
    if halts and is_news(word.status, template.status_before):
        await dispatch.run(
            connection,
            _ALERTS.open_alert,
            tenant_id=tenant_id,
            alert_id=new_id(),
            kind="template_halted",
            subject=template.meta_template_id,
            detail=f"{word.status} {word.reason or ''}".strip(),
        )
    elif effect is Effect.LIFTS:
        await notices.close_alerts(
            connection,
            tenant_id=tenant_id,
            kind="template_halted",
            subjects=[template.meta_template_id, str(template.template_id)],
            at=at,
        )


async def follow_quality(
    connection: Connection, *, tenant_id: TenantId, words: Sequence[QualityWord], at: datetime
) -> None:
    """Store Meta's quality scores; RED opens an alert, any other score closes it.

    Nothing is halted: Meta pauses a badly rated template itself, and says so by its status.
    """
    if not words:
        return
    values: dict[str, object] = {
        "tenant_id": tenant_id,
        "template_ids": [word.template_id for word in words],
        "qualities": [word.quality for word in words],
        "at": at,
    }
    async with connection.cursor(row_factory=class_row(_Scored)) as cursor:
        await cursor.execute(_SQL.follow_quality, values)
        scored = await cursor.fetchall()
    for template in sorted(scored, key=lambda row: row.template_id):
        kind, subject = "template_quality", str(template.template_id)
        if template.quality == _RED:
            await dispatch.run(
                connection,
                _ALERTS.open_alert,
                tenant_id=tenant_id,
                alert_id=new_id(),
                kind=kind,
                subject=subject,
                detail=(
                    f"Meta rates {template.name} ({template.language}) as low, and pauses it next:"
                    " 3 hours, then 6, then for good."
                ),
            )
        else:
            await notices.close_alerts(
                connection, tenant_id=tenant_id, kind=kind, subjects=[subject], at=at
            )
