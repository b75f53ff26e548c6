"""Templates over the Graph API: list, show, create, edit, delete, unpause."""

import re
from collections.abc import Mapping
from typing import Final

from sandbox.acceptance import Sandbox
from sandbox.config import TemplateConfig
from sandbox.errors import GraphError, object_missing
from sandbox.graph import GraphAnswer, GraphRequest
from sandbox.listing import asked_fields, only, page
from sandbox.payloads import template_status_update
from sandbox.sending import parse_body
from sandbox.template_life import check_edit, review, unpause
from sandbox.templates import Template
from sandbox.world import Waba

_NAME = re.compile(r"[a-z0-9_]{1,512}")
_TEMPLATE_LIMIT: Final = 6000
_CATEGORIES: Final = frozenset({"AUTHENTICATION", "MARKETING", "UTILITY"})
_FIELDS_BY_DEFAULT: Final = (
    "name",
    "parameter_format",
    "components",
    "language",
    "status",
    "category",
    "id",
)


def get_template(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """GET /{template_id}."""
    template = _template(sandbox, request)
    fields = asked_fields(request, _FIELDS_BY_DEFAULT)
    return GraphAnswer(only(template.describe(), fields), waba_id=template.waba_id)


def edit_template(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """POST /{template_id}: other components or category; it is pending again until approved."""
    template = _template(sandbox, request)
    check_edit(sandbox, template)
    body = parse_body(request.body)
    components = body.get("components", template.components)
    category = str(body.get("category", template.category)).upper()
    changed = _template_config(
        {
            "name": template.name,
            "language": template.language,
            "category": category,
            "components": components,
        },
        status="PENDING",
        template_id=template.id,
    )
    waba = sandbox.world.wabas[template.waba_id]
    submitted = _submit(sandbox, waba, changed)
    submitted.edited, submitted.edits_ms = True, template.edits_ms
    return GraphAnswer(
        {"success": True, "id": template.id, "name": template.name, "category": category},
        waba_id=waba.id,
    )


def unpause_template(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """POST /{template_id}/unpause, as pacing pauses need it."""
    template = _template(sandbox, request)
    if template.status != "PAUSED":
        return GraphAnswer({"success": False, "reason": "The template isn't paused"})
    unpause(sandbox, template)
    return GraphAnswer({"success": True}, waba_id=template.waba_id)


def list_templates(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """GET /{waba_id}/message_templates by part of the name, status, language, category."""
    waba = sandbox.world.waba(request.node, request.token, "GET")
    wanted = [
        template
        for template in sandbox.world.templates_of(waba)
        if request.query.get("name", "") in template.name
        and _admits(request, "language", template.language)
        and _admits(request, "status", template.status)
        and _admits(request, "category", template.category)
    ]
    fields = asked_fields(request, _FIELDS_BY_DEFAULT)
    rows = [only(template.describe(), fields) for template in wanted]
    answer = page(request, rows)
    if "summary" in request.query:
        answer["summary"] = {
            "total_count": len(wanted),
            "message_template_count": len(waba.templates),
            "message_template_limit": _TEMPLATE_LIMIT,
            "are_translations_complete": True,
        }
    return GraphAnswer(answer, waba_id=waba.id)


def _admits(request: GraphRequest, name: str, value: str) -> bool:
    """A filter is one value or several, with commas between them or as a JSON list."""
    asked = re.findall(r"\w+", request.query.get(name, ""))
    return not asked or value.upper() in {item.upper() for item in asked}


def create_template(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """POST /{waba_id}/message_templates: PENDING now, APPROVED with its webhook a bit later."""
    waba = sandbox.world.waba(request.node, request.token, "POST")
    config = _template_config(parse_body(request.body), status="PENDING", template_id=None)
    if (config.name, config.language) in waba.templates:
        raise GraphError(2388024, title="Content in this language already exists")
    _check_quota(sandbox, waba, config)
    template = _submit(sandbox, waba, config)
    return GraphAnswer(
        {"id": template.id, "status": template.status, "category": template.category},
        waba_id=waba.id,
    )


def delete_template(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """DELETE /{waba_id}/message_templates by name (all languages) or by name and hsm_id."""
    waba = sandbox.world.waba(request.node, request.token, "DELETE")
    name, template_id = request.query.get("name"), request.query.get("hsm_id")
    if not name:
        raise GraphError(100, title="The parameter name is required")
    doomed = [
        template
        for template in sandbox.world.templates_of(waba)
        if template.name == name and template_id in {None, template.id}
    ]
    if not doomed:
        raise GraphError(100, title="Message template was not found", subcode=2593002)
    for template in doomed:
        if template.status == "APPROVED":
            until_ms = sandbox.clock.now_ms() + sandbox.config.review.name_blocked_ms
            waba.blocked_names[template.name, template.language] = until_ms
        sandbox.world.remove_template(template)
        sandbox.dispatcher.announce(template_status_update(template, "DELETED"))
    return GraphAnswer({"success": True}, waba_id=waba.id)


def _submit(sandbox: Sandbox, waba: Waba, config: TemplateConfig) -> Template:
    template = sandbox.world.add_template(waba, config)
    sandbox.later(sandbox.config.delivery.template_approval_ms, lambda: review(sandbox, template))
    return template


def _check_quota(sandbox: Sandbox, waba: Waba, config: TemplateConfig) -> None:
    """Raise for a blocked name, a full account, or more than so many creations an hour."""
    rules, now_ms = sandbox.config.review, sandbox.clock.now_ms()
    if waba.blocked_names.get((config.name, config.language), 0) > now_ms:
        raise GraphError(2388023, "An approved template of this name was deleted within 30 days")
    if len(waba.templates) >= rules.templates_per_account:
        raise GraphError(2388019)
    minutes = sandbox.world.calls.take(f"create/{waba.id}", now_ms, rules.creations_per_hour)
    if minutes:
        raise GraphError(
            80007, "Too many templates were created", waba_id=waba.id, regain_minutes=minutes
        )


def _template_config(
    body: Mapping[str, object], *, status: str, template_id: str | None
) -> TemplateConfig:
    name, language = body.get("name"), body.get("language")
    category, components = str(body.get("category", "")).upper(), body.get("components", [])
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GraphError(100, title="Param name must be of [a-z0-9_], at most 512 characters")
    if not isinstance(language, str) or not language:
        raise GraphError(100, title="The parameter language is required.")
    if category not in _CATEGORIES:
        names = ", ".join(sorted(_CATEGORIES))
        raise GraphError(100, title=f"Param category must be one of {{{names}}}")
    if not isinstance(components, list) or not all(isinstance(c, dict) for c in components):
        raise GraphError(100, title="Param components must be an array.")
    return TemplateConfig(
        name=name,
        language=language,
        category=category,
        components=components,
        status=status,
        id=template_id,
    )


def _template(sandbox: Sandbox, request: GraphRequest) -> Template:
    template = sandbox.world.templates.get(request.node)
    if template is None:
        raise object_missing(request.node, request.method)
    sandbox.world.waba(template.waba_id, request.token, request.method)
    return template
