"""The OpenAPI document and its pages: complete, and served without anybody else's server."""

from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from api.problems import CATALOGUE

_STATIC: Final = "/docs/static"
_DESCRIPTION: Final = """
Campaigns on WhatsApp through Meta's Cloud API, and what became of every message.

Errors are `application/problem+json` (RFC 9457) with a stable `code`; `/problems` lists them all.
Lists are read with `limit` and `cursor`. A POST that carries an `Idempotency-Key` has one effect.
"""
TAGS: Final = [
    {"name": "login", "description": "Access tokens for people."},
    {"name": "tenant", "description": "Your tenant and its API keys."},
    {"name": "numbers", "description": "Your WhatsApp numbers."},
    {"name": "contacts", "description": "People, lists, and imports of both."},
    {"name": "consents", "description": "Who agreed to what: an append-only ledger."},
    {"name": "templates", "description": "Message templates, taken over from Meta."},
    {"name": "campaigns", "description": "One template to one list: plan, approve, launch, watch."},
    {"name": "messages", "description": "Single messages, and the story of every message."},
    {"name": "usage", "description": "Delivered messages by day of your zone."},
    {"name": "billing", "description": "Your invoices and their lines."},
    {"name": "exports", "description": "Your data as files."},
    {"name": "webhook-endpoints", "description": "Where you are told what happens; signed."},
    {"name": "webhooks", "description": "Where Meta posts; signed, not for tenants."},
    {"name": "problems", "description": "Every error code, with advice."},
    {"name": "health", "description": "For probes and monitors."},
]
#: What any authenticated call may be answered besides its own answers.
_COMMON: Final = {
    "401": "unauthenticated",
    "403": "not-allowed",
    "422": "invalid-input",
    "503": "unavailable",
}


def install_docs(app: FastAPI) -> None:
    """Serve /docs from files of our own, and describe what FastAPI can't see by itself."""
    app.mount(_STATIC, StaticFiles(directory=str(_static_folder())), name="docs-static")

    async def docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "").rstrip("/")
        return get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{root}{_STATIC}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_STATIC}/swagger-ui.css",
            swagger_favicon_url=f"{root}{_STATIC}/favicon.png",
        )

    app.add_route("/docs", docs, include_in_schema=False)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]


def _static_folder() -> Any:
    return files("fastapi_offline") / "static"


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=_DESCRIPTION,
            routes=app.routes,
            tags=TAGS,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        )
        schemas = document["components"]["schemas"]
        schemas["Problem"] = _problem_schema()
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        for path in document["paths"].values():
            for operation in path.values():
                _describe_errors(operation)
        document["paths"]["/webhooks/meta"] = _webhook_path()
        app.openapi_schema = document
    return app.openapi_schema


def _describe_errors(operation: dict[str, Any]) -> None:
    """Every error of every operation has the one shape; FastAPI's own 422 is never sent."""
    responses = operation["responses"]
    authenticated = bool(operation.get("security"))
    for status, code in _COMMON.items():
        if authenticated or status in responses:
            responses[status] = problem(code) | {
                key: value
                for key, value in responses.get(status, {}).items()
                if key == "description" and status != "422"
            }
    if "requestBody" in operation:
        for code in ("malformed-request", "body-too-large", "unsupported-media-type"):
            responses.setdefault(str(CATALOGUE[code].status), problem(code))
    for status, response in responses.items():
        if int(status) >= 400 and "content" not in response:
            response["content"] = _problem_content()


def problem(code: str) -> dict[str, Any]:
    """The documentation of one error of an operation."""
    kind = CATALOGUE[code]
    example = {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.title,
        "code": code,
        "advice": kind.advice,
    }
    return {
        "description": kind.title,
        "content": _problem_content(example),
    }


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The documentation of further errors of an operation, for `responses=`."""
    return {CATALOGUE[code].status: problem(code) for code in codes}


def _problem_content(example: dict[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if example is not None:
        content["example"] = example
    return {"application/problem+json": content}


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "title": "Problem",
        "description": "What went wrong (RFC 9457). Decide by `code`; the rest is for people.",
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "advice"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "code": {"type": "string", "enum": sorted(CATALOGUE)},
            "advice": text,
            "request_id": text,
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "detail"],
                    "properties": {"pointer": text, "code": text, "detail": text},
                },
            },
        },
        # A state that forbids something is named beside the code.
        "additionalProperties": {"type": ["string", "integer", "null"]},
    }


def _webhook_path() -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "query", "required": True, "schema": {"type": "string"}}
        for name in ("hub.mode", "hub.verify_token", "hub.challenge")
    ]
    signature = {
        "name": "X-Hub-Signature-256",
        "in": "header",
        "required": True,
        "schema": {"type": "string", "pattern": "^sha256=[0-9a-f]{64}$"},
        "description": "HMAC-SHA256 of the raw body with the app secret.",
    }
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "get": {
            "tags": ["webhooks"],
            "operationId": "verify_webhook_address",
            "summary": "Meta's handshake when the address is entered",
            "parameters": parameters,
            "responses": {
                "200": {"description": "The challenge.", "content": text},
                "403": problem("not-allowed"),
            },
        },
        "post": {
            "tags": ["webhooks"],
            "operationId": "receive_webhook",
            "summary": "Meta's notifications",
            "description": "Answered with 200 only after the raw body is durable.",
            "parameters": [signature],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "responses": {
                "200": {"description": "Stored.", "content": text},
                **{
                    str(CATALOGUE[code].status): problem(code)
                    for code in (
                        "bad-signature",
                        "body-too-large",
                        "unsupported-media-type",
                        "unavailable",
                    )
                },
            },
        },
    }
