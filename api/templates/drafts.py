"""Templates that are written here: create, edit, hand in to Meta, delete.

No transaction is open while Meta is called. Before a call its beginning is committed, after it what
Meta answered; when the process dies between the two, a sync finds at Meta what was made of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from psycopg.types.json import Jsonb

from api.deps import Caller
from api.dto import Answer
from api.idempotency import once
from api.meta import require_account, template_calls
from api.problems import Problem
from api.rows import execute, fetch_known
from api.templates.draft_schemas import CreateTemplate, EditTemplate
from api.templates.schemas import TemplateDetail
from api.templates.service import detail_of
from core.domain.ids import new_id
from core.domain.template import version_hash
from core.domain.template_drafts import Component, faults_of, is_named
from core.errors import MetaError, MetaUnreachable, QuotaExceeded
from core.store.database import Connection
from core.store.queries import load
from core.whatsapp.template_calls import TemplateTaken

_sql = load("templates")
#: Meta takes an edit of these (template management, as of 2026-04-13); DRAFT isn't there yet.
EDITABLE: Final = frozenset({"DRAFT", "APPROVED", "REJECTED", "PAUSED"})
_EXISTS: Final = frozenset({2388023, 2388024})
_GONE: Final = 2593002
_CALL_LIMITS: Final = frozenset({4, 17, 613, 80007})
#: An hour holds 100 creations and 200 management calls; Meta doesn't always say how long to wait.
_WAIT_SECONDS: Final = 600


class _Locked(Answer):
    template_id: UUID
    waba_id: str
    meta_template_id: str
    name: str
    language: str
    category: str
    status: str
    draft: dict[str, Any] | None
    is_submitting: bool


class _Uses(Answer):
    campaigns: int
    series: int
    ever: int


async def create_template(
    caller: Caller, wanted: CreateTemplate, key: str | None, response: Response
) -> TemplateDetail:
    """Keep a new draft. Raises NotFound for the account, Problem for a name that is taken."""
    draft = {
        "category": wanted.category,
        "components": [part.model_dump(exclude_none=True) for part in wanted.components],
        "message_send_ttl_seconds": wanted.message_send_ttl_seconds,
    }
    _refuse_faults(wanted.name, wanted.language, draft)

    async def effect(connection: Connection) -> TemplateDetail:
        await require_account(connection, caller, wanted.waba_id)
        template_id = new_id()
        made = await execute(
            connection,
            _sql.insert_draft,
            {
                **_columns(draft),
                "tenant_id": caller.tenant_id,
                "template_id": template_id,
                "waba_id": wanted.waba_id,
                "name": wanted.name,
                "language": wanted.language,
                "created_by": caller.subject,
                "now": caller.state.clock.now(),
            },
        )
        if not made:
            raise Problem("template-exists", "the account has one of this name and language")
        caller.audit(target_kind="template", target_id=template_id)
        return await detail_of(connection, caller, template_id)

    return await once(
        caller, key, "create_template", wanted, response, effect, model=TemplateDetail
    )


async def edit_template(caller: Caller, template_id: UUID, wanted: EditTemplate) -> TemplateDetail:
    """Keep other components as a draft; Meta gets them with the next submission."""
    async with caller.transaction() as connection:
        row = await _lock(connection, caller, template_id)
        caller.conditions.check(await detail_of(connection, caller, template_id))
        _require_editable(row)
        place = {"tenant_id": caller.tenant_id, "template_id": template_id}
        if wanted.discard_draft:
            await execute(connection, _sql.drop_draft, place)
        elif wanted.model_fields_set - {"discard_draft"}:
            present = row.draft or await _at_meta(connection, caller, template_id)
            draft = present | {
                name: value
                for name, value in wanted.model_dump(exclude_none=True).items()
                if name in present
            }
            if row.status == "APPROVED" and draft["category"] != row.category:
                raise _state(row, "the category of an approved template can't be changed")
            _refuse_faults(row.name, row.language, draft)
            await execute(connection, _sql.keep_draft, {**place, **_columns(draft)})
        return await detail_of(connection, caller, template_id)


async def submit_template(caller: Caller, template_id: UUID) -> TemplateDetail:
    """Hand the draft in to Meta. Raises Problem, QuotaExceeded, MetaError, MetaUnreachable."""
    place = {"tenant_id": caller.tenant_id, "template_id": template_id}
    async with caller.transaction() as connection:
        row = await _lock(connection, caller, template_id)
        _require_editable(row)
        if row.draft is None:
            raise _state(row, "Meta has all of it: there is no draft to hand in")
        await execute(connection, _sql.begin_submission, place)
    try:
        taken = await _call(caller, row, row.draft)
    except MetaError as error:
        await _end_submission(caller, place)
        raise _said(error) from error
    except MetaUnreachable as error:
        # Not so after bytes have left: Meta may have taken it, and who looks sees it under way.
        if error.before_bytes:
            await _end_submission(caller, place)
        raise
    async with caller.transaction() as connection:
        await execute(
            connection,
            _sql.take_submission,
            {
                **place,
                **_columns(row.draft),
                "meta_template_id": taken.meta_template_id,
                "category": taken.category or row.draft["category"],
                "status": taken.status,
            },
        )
        return await detail_of(connection, caller, template_id)


async def delete_template(caller: Caller, template_id: UUID) -> None:
    """Delete at Meta, then here; a draft is simply gone. Raises Problem while it is wanted."""
    place = {"tenant_id": caller.tenant_id, "template_id": template_id}
    async with caller.transaction() as connection:
        row = await _lock(connection, caller, template_id)
        caller.conditions.check(await detail_of(connection, caller, template_id))
        if row.is_submitting:
            raise _state(row, "it is just being handed in to Meta")
        uses = await fetch_known(
            connection, _Uses, _sql.count_template_uses, place, what="template"
        )
        if uses.campaigns or uses.series:
            detail = f"{uses.campaigns} campaign(s) and {uses.series} series still want it"
            raise Problem("template-in-use", detail)
        if row.status == "DRAFT" and not uses.ever:
            await execute(connection, _sql.delete_draft, place)
    if row.status == "DRAFT" and not uses.ever:
        return
    if row.status not in {"DELETED", "DRAFT"}:
        await _delete_at_meta(caller, row)
    async with caller.transaction() as connection:
        await execute(connection, _sql.mark_template_deleted, place)


async def _delete_at_meta(caller: Caller, row: _Locked) -> None:
    calls = await template_calls(caller, row.waba_id)
    try:
        await calls.delete_template(
            row.waba_id, name=row.name, meta_template_id=row.meta_template_id
        )
    except MetaError as error:
        # Gone already: an earlier call came through, or somebody deleted it at Meta.
        if error.subcode != _GONE:
            raise _said(error) from error


async def _call(caller: Caller, row: _Locked, draft: Mapping[str, Any]) -> TemplateTaken:
    calls = await template_calls(caller, row.waba_id)
    body = {
        "category": draft["category"].upper(),
        "components": [_for_meta(part) for part in draft["components"]],
    }
    if draft["message_send_ttl_seconds"] is not None:
        body["message_send_ttl_seconds"] = draft["message_send_ttl_seconds"]
    if row.status != "DRAFT":
        if row.status == "APPROVED":
            del body["category"]
        await calls.edit_template(row.meta_template_id, body)
        return TemplateTaken(
            meta_template_id=row.meta_template_id, status="PENDING", category=draft["category"]
        )
    named = "NAMED" if is_named(draft["components"]) else "POSITIONAL"
    new = {"name": row.name, "language": row.language, "parameter_format": named}
    return await calls.create_template(row.waba_id, new | body)


def _for_meta(part: dict[str, Any]) -> dict[str, Any]:
    """Meta wants the example of a code as a text, that of a link as a list."""
    if part["type"] != "BUTTONS":
        return part
    buttons = [
        button | {"example": button["example"][0]}
        if button["type"] == "COPY_CODE" and button.get("example")
        else button
        for button in part["buttons"]
    ]
    return part | {"buttons": buttons}


async def _end_submission(caller: Caller, place: Mapping[str, object]) -> None:
    async with caller.transaction() as connection:
        await execute(connection, _sql.end_submission, place)


async def _lock(connection: Connection, caller: Caller, template_id: UUID) -> _Locked:
    return await fetch_known(
        connection,
        _Locked,
        _sql.lock_template,
        {"tenant_id": caller.tenant_id, "template_id": template_id},
        what="template",
    )


async def _at_meta(connection: Connection, caller: Caller, template_id: UUID) -> dict[str, Any]:
    """What an edit starts from: the template as Meta has it."""
    detail = await detail_of(connection, caller, template_id)
    return {
        "category": detail.category,
        "components": detail.components,
        "message_send_ttl_seconds": detail.message_send_ttl_seconds,
    }


def _require_editable(row: _Locked) -> None:
    if row.is_submitting:
        raise _state(row, "it is just being handed in to Meta")
    if row.status not in EDITABLE:
        raise _state(row, f"Meta takes no edit of a template that is {row.status}")


def _state(row: _Locked, detail: str) -> Problem:
    return Problem("template-state", detail, extra={"status_now": row.status})


def _columns(draft: Mapping[str, Any]) -> dict[str, object]:
    components: Sequence[Component] = draft["components"]
    return {
        "draft": Jsonb(draft),
        "category": draft["category"],
        "components": Jsonb(components),
        "parameter_format": "NAMED" if is_named(components) else "POSITIONAL",
        "version_hash": version_hash(components),
        "ttl_seconds": draft["message_send_ttl_seconds"],
    }


def _refuse_faults(name: str, language: str, draft: Mapping[str, Any]) -> None:
    """Raise what Meta would refuse, all of it at once, before anything is kept."""
    faults = faults_of(
        name=name,
        language=language,
        category=draft["category"],
        components=draft["components"],
        ttl_seconds=draft["message_send_ttl_seconds"],
    )
    if faults:
        raise RequestValidationError(
            [
                {"type": fault.code, "loc": ("body", *fault.path), "msg": fault.advice}
                for fault in faults
            ]
        )


def _said(error: MetaError) -> Exception:
    """Meta's refusal in our words: by its code, never by its status."""
    if error.meta_code in _EXISTS:
        return Problem("template-exists", "Meta has one of this name and language, or just had")
    if error.meta_code in _CALL_LIMITS:
        wait = error.retry_after_seconds or _WAIT_SECONDS
        return QuotaExceeded("Meta takes no more such calls for now", retry_after_seconds=wait)
    if error.meta_code == 100 or (error.meta_code or 0) >= 2_388_000:
        detail = error.details or error.title or "Meta gave no reason"
        return Problem("template-refused", detail, extra={"meta_code": error.meta_code})
    return error
