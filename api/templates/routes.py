"""/v1/templates."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.deps import Cursor, Limit, TemplatesReader, TemplatesSyncer
from api.dto import Id, Page
from api.openapi import problems
from api.templates import service
from api.templates.schemas import Template, TemplateCategory, TemplateDetail, TemplatesSynced

router = APIRouter(prefix="/v1/templates", tags=["templates"])


@router.post(
    "/sync",
    operation_id="sync_templates",
    summary="Take your templates over from Meta",
    responses=problems("meta-error"),
)
async def sync_templates(caller: TemplatesSyncer) -> TemplatesSynced:
    """Reads every template of every account: all pages, all languages, all states."""
    return await service.sync_templates(caller)


@router.get("", operation_id="list_templates", summary="Your templates")
async def list_templates(
    caller: TemplatesReader,
    request: Request,
    status: Annotated[str | None, Query(pattern=r"^[A-Z_]{1,40}$")] = None,
    category: TemplateCategory | None = None,
    name: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,512}$")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Template]:
    """Templates by state, category and name, newest first."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_templates(caller, pager, status=status, category=category, name=name)


@router.get(
    "/{template_id}",
    operation_id="get_template",
    summary="One template",
    responses=problems("not-found"),
)
async def get_template(caller: TemplatesReader, template_id: Id) -> TemplateDetail:
    """A template with its parts, and the keys of the values that a message needs."""
    return await service.get_template(caller, template_id)
