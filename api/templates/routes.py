"""/v1/templates."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.deps import Cursor, Limit, TemplatesReader, TemplatesSyncer, TemplatesWriter
from api.dto import Id, Page
from api.idempotency import OptionalKey
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter
from api.templates import drafts, service
from api.templates.draft_schemas import (
    CreateTemplate,
    EditTemplate,
    PreviewTemplate,
    TemplatePreview,
)
from api.templates.schemas import (
    Template,
    TemplateCategory,
    TemplateDetail,
    TemplatesSynced,
    TemplateState,
)

router = SliceRouter(prefix="/v1/templates", tags=["templates"])


@router.post(
    "/sync",
    operation_id="sync_templates",
    summary="Take your templates over from Meta",
    responses=problems("meta-error", "meta-unreachable"),
)
async def sync_templates(caller: TemplatesSyncer) -> TemplatesSynced:
    """Reads every template of every account: all pages, all languages, all states."""
    return await service.sync_templates(caller)


@router.post(
    "",
    operation_id="create_template",
    summary="Write a template",
    status_code=201,
    responses=problems("template-exists", "not-found"),
)
async def create_template(
    caller: TemplatesWriter,
    wanted: CreateTemplate,
    response: Response,
    idempotency_key: OptionalKey = None,
) -> TemplateDetail:
    """A draft, checked against Meta's rules; Meta gets it when it is submitted."""
    return await drafts.create_template(caller, wanted, idempotency_key, response)


@router.get("", operation_id="list_templates", summary="Your templates")
async def list_templates(
    caller: TemplatesReader,
    request: Request,
    made: MadeWhen,
    state: Annotated[TemplateState | None, Query(description="Only of this `status`.")] = None,
    category: TemplateCategory | None = None,
    name: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,512}$")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Template]:
    """Templates by state, category and name, newest first."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_templates(
        caller, pager, made=made, state=state, category=category, name=name
    )


@router.get(
    "/{template_id}",
    operation_id="get_template",
    summary="One template",
    responses=problems("not-found"),
)
async def get_template(caller: TemplatesReader, template_id: Id) -> TemplateDetail:
    """A template with its parts, and the keys of the values that a message needs."""
    return caller.conditions.answer(await service.get_template(caller, template_id))


@router.patch(
    "/{template_id}",
    operation_id="edit_template",
    summary="Change a template",
    responses=problems("not-found", "template-state"),
)
async def edit_template(
    caller: TemplatesWriter, template_id: Id, wanted: EditTemplate
) -> TemplateDetail:
    """Kept as a draft; what is sent stays what Meta approved until the draft is submitted."""
    return caller.conditions.answer(await drafts.edit_template(caller, template_id, wanted))


@router.post(
    "/{template_id}/submit",
    operation_id="submit_template",
    summary="Hand a draft in to Meta",
    responses=problems(
        "not-found",
        "template-state",
        "template-exists",
        "template-refused",
        "quota-exceeded",
        "meta-error",
        "meta-unreachable",
    ),
)
async def submit_template(caller: TemplatesWriter, template_id: Id) -> TemplateDetail:
    """Meta reviews it: PENDING now, its word comes as `template.status_changed`. After
    `meta-unreachable` sync the templates before you submit again: Meta may have taken it."""
    return await drafts.submit_template(caller, template_id)


@router.post(
    "/{template_id}/preview",
    operation_id="preview_template",
    summary="See a template with values",
    responses=problems("not-found"),
)
async def preview_template(
    caller: TemplatesReader, template_id: Id, wanted: PreviewTemplate
) -> TemplatePreview:
    """As a person would read it, in the template's language. What lacks a value is named."""
    return await service.preview_template(caller, template_id, wanted)


@router.delete(
    "/{template_id}",
    operation_id="delete_template",
    summary="Delete a template",
    status_code=204,
    responses=problems(
        "not-found",
        "template-state",
        "template-in-use",
        "template-exists",
        "template-refused",
        "quota-exceeded",
        "meta-error",
        "meta-unreachable",
    ),
)
async def delete_template(caller: TemplatesWriter, template_id: Id) -> Response:
    """At Meta and here; refused while a campaign or a series wants it. Meta keeps the name of an
    approved one for 30 days. Its messages stay."""
    await drafts.delete_template(caller, template_id)
    return Response(status_code=204)
