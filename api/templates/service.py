"""Lists templates; takes all of them over from the Cloud API."""

import json
import re
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.meta import accounts
from api.pagination import Pager
from api.rows import execute, fetch_all, fetch_known
from api.templates.draft_schemas import ButtonPreview, PreviewTemplate, TemplatePreview
from api.templates.schemas import Template, TemplateDetail, TemplatesSynced
from core.domain.ids import TemplateId, new_id
from core.domain.template import parse_components, required_parameters, version_hash
from core.domain.template_preview import preview
from core.domain.template_status import HALTING
from core.errors import InvalidInput
from core.store import template_words
from core.store.database import Connection
from core.store.queries import load
from core.store.template_words import QualityWord, StatusWord
from core.whatsapp.json_values import Json, child, optional_identifier, text

_sql = load("templates")
_notices = load("notices")
_UNSTORABLE: Final = re.compile(r"\\u0000|[\ud800-\udfff]")
_THIRTY_DAYS: Final = -1
_LONGEST_TTL: Final = 2_592_000
_CATEGORIES: Final = frozenset({"marketing", "utility", "authentication"})


class _StoredTemplate(Template):
    components: list[dict[str, Any]]
    message_send_ttl_seconds: int | None
    draft: dict[str, Any] | None


class _Counts(Answer):
    total: int
    created: int
    changed: int
    recategorised: list[UUID]
    statuses: dict[UUID, str]
    qualities: dict[UUID, str]


class _Vanished(Answer):
    template_id: UUID


async def list_templates(
    caller: Caller,
    pager: Pager,
    *,
    made: Made,
    state: str | None,
    category: str | None,
    name: str | None,
) -> Page[Template]:
    """The tenant's templates that fit the filters, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            Template,
            _sql.list_templates,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                "limit": pager.fetch,
                **made.parameters(),
                "state": state,
                "category": category,
                "name": name,
            },
        )
    return pager.page(rows, lambda row: row.template_id)


async def get_template(caller: Caller, template_id: UUID) -> TemplateDetail:
    """One template with the parameters it needs."""
    async with caller.transaction() as connection:
        return await detail_of(connection, caller, template_id)


async def detail_of(connection: Connection, caller: Caller, template_id: UUID) -> TemplateDetail:
    """One template with the parameters it needs, in a transaction that is open already."""
    row = await fetch_known(
        connection,
        _StoredTemplate,
        _sql.describe_template,
        {"tenant_id": caller.tenant_id, "template_id": template_id},
        what="template",
    )
    try:
        shape = parse_components(row.components)
    except InvalidInput:
        return TemplateDetail(**row.model_dump(), parameters=[], unsupported=["body"])
    return TemplateDetail(
        **row.model_dump(),
        parameters=list(required_parameters(shape)),
        unsupported=list(shape.unsupported),
    )


async def preview_template(
    caller: Caller, template_id: UUID, wanted: PreviewTemplate
) -> TemplatePreview:
    """A template filled with values; what lacks one is named. Changes nothing."""
    async with caller.transaction(snapshot=True) as connection:
        row = await detail_of(connection, caller, template_id)
    draft = row.draft if wanted.draft else None
    shown = preview(
        row.components if draft is None else draft["components"],
        wanted.parameters,
        category=row.category if draft is None else draft["category"],
    )
    return TemplatePreview(
        language=row.language,
        of_draft=draft is not None or row.status == "DRAFT",
        header_format=shown.header_format,
        header=shown.header,
        body=shown.body,
        footer=shown.footer,
        buttons=[
            ButtonPreview(type=each.type, text=each.text, value=each.value)
            for each in shown.buttons
        ],
        missing=list(shown.missing),
        unknown=list(shown.unknown),
        fault=shown.fault,
    )


async def sync_templates(caller: Caller) -> TemplatesSynced:
    """Read all templates of all accounts from Meta, then write each account's at once.

    All pages, languages and states; nothing is written of an account whose list broke off.
    Raises MetaError, MetaUnreachable.
    """
    count, skipped = 0, 0
    created = changed = deleted = templates = 0
    caller.audit(target_kind="templates")
    async for account in accounts(caller):
        count += 1
        read_at = caller.state.clock.now()
        found = [item async for item in account.client.iter_templates(account.waba_id)]
        usable = [item for item in found if _is_usable(item)]
        unusable = [item for item in found if not _is_usable(item)]
        skipped += len(unusable)
        async with caller.transaction() as connection:
            counts = await _store(connection, caller, account.waba_id, usable)
            gone = await _list_vanished(connection, caller, account.waba_id, unusable, read_at)
            await _follow(connection, caller, counts, gone, read_at)
        templates += counts.total
        created += counts.created
        changed += counts.changed
        deleted += len(gone)
    return TemplatesSynced(
        accounts=count,
        templates=templates,
        created=created,
        changed=changed,
        deleted=deleted,
        skipped=skipped,
    )


async def _store(
    connection: Connection, caller: Caller, waba_id: str, items: list[Json]
) -> _Counts:
    place = {
        "tenant_id": caller.tenant_id,
        "waba_id": waba_id,
        "synced_at": caller.state.clock.now(),
        "halting": sorted(HALTING),
    }
    # Name and language are Meta's own key; a list that repeats one is read with the last word.
    unique = {
        (text(item, "name", limit=512), text(item, "language")): item for item in items
    }.values()
    columns = [_columns(item) for item in unique]
    arrays = {f"{name}": [column[name] for column in columns] for name in _COLUMNS}
    counts = await fetch_known(
        connection, _Counts, _sql.upsert_templates, {**place, **arrays}, what="template"
    )
    for template_id in sorted(counts.recategorised):
        # As after Meta's webhook: the scheduler prices what its campaigns have not sent anew.
        stale = {"tenant_id": caller.tenant_id, "template_id": template_id}
        await execute(connection, _notices.mark_prices_stale, stale)
    return counts


async def _list_vanished(
    connection: Connection, caller: Caller, waba_id: str, unusable: list[Json], read_at: datetime
) -> list[UUID]:
    """What Meta lists no more; `unusable` is listed, however little we can do with it."""
    rows = await fetch_all(
        connection,
        _Vanished,
        _sql.list_vanished,
        {
            "tenant_id": caller.tenant_id,
            "waba_id": waba_id,
            "synced_at": read_at,
            "skipped_names": [text(item, "name", limit=512) for item in unusable],
            "skipped_languages": [text(item, "language") for item in unusable],
        },
    )
    return [row.template_id for row in rows]


async def _follow(
    connection: Connection, caller: Caller, counts: _Counts, gone: list[UUID], read_at: datetime
) -> None:
    """Follow what Meta says now as if its webhooks had said it when the reading began."""
    statuses = {**counts.statuses, **dict.fromkeys(gone, "DELETED")}
    await template_words.follow_status(
        connection,
        tenant_id=caller.tenant_id,
        words=[
            StatusWord(template_id=TemplateId(template_id), status=status)
            for template_id, status in sorted(statuses.items())
        ],
        at=read_at,
    )
    await template_words.follow_quality(
        connection,
        tenant_id=caller.tenant_id,
        words=[
            QualityWord(template_id=TemplateId(template_id), quality=quality)
            for template_id, quality in sorted(counts.qualities.items())
        ],
        at=read_at,
    )


_COLUMNS: Final = (
    "template_ids",
    "meta_template_ids",
    "names",
    "languages",
    "categories",
    "statuses",
    "qualities",
    "components",
    "parameter_formats",
    "version_hashes",
    "ttls",
    "rejected_reasons",
)


def _columns(item: Json) -> dict[str, object]:
    components = item["components"]
    parameter_format = text(item, "parameter_format") or "POSITIONAL"
    return {
        "template_ids": new_id(),
        "meta_template_ids": optional_identifier(item, "id", limit=64) or "",
        "names": text(item, "name", limit=512),
        "languages": text(item, "language"),
        "categories": (text(item, "category") or "").lower(),
        "statuses": (text(item, "status") or "UNKNOWN").upper(),
        "qualities": text(child(item, "quality_score"), "score") or "UNKNOWN",
        "components": Jsonb(components),
        "parameter_formats": parameter_format if parameter_format == "NAMED" else "POSITIONAL",
        "version_hashes": version_hash(components),
        "ttls": _time_to_live(item),
        "rejected_reasons": _rejected_reason(item),
    }


def _rejected_reason(item: Json) -> str | None:
    """Meta's reason; it writes NONE for none."""
    reason = text(item, "rejected_reason", limit=200)
    return None if reason is None or reason.upper() == "NONE" else reason


def _time_to_live(item: Json) -> int | None:
    """Seconds Meta tries to deliver, -1 for 30 days; None: the default of the category."""
    seconds = item.get("message_send_ttl_seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        return None
    return seconds if seconds == _THIRTY_DAYS or 0 < seconds <= _LONGEST_TTL else None


def _is_usable(item: Json) -> bool:
    """Whether the product knows the category and the item has what every template has."""
    components = item.get("components")
    return (
        (text(item, "category") or "").lower() in _CATEGORIES
        and bool(text(item, "name", limit=512))
        and bool(text(item, "language"))
        and isinstance(components, list)
        and all(isinstance(part, dict) for part in components)
        # PostgreSQL's jsonb holds no NUL, and no half of a surrogate pair.
        and not _UNSTORABLE.search(json.dumps(components, ensure_ascii=False))
    )
