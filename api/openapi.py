"""The OpenAPI document: complete, also for an operation that was added a minute ago.

FastAPI knows addresses and schemas. Errors, headers, examples, the meaning of enumerations and the
webhooks are added here by rule; what a rule can't know is a table (`vocabulary`, `sample_values`,
`openapi_headers`), and tests say which entry is missing.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.deprecations import deprecations
from api.etags import LONGEST, PATTERN, READ_BY_CHANGE
from api.examples import Examples
from api.openapi_headers import (
    ALWAYS,
    BY_STATUS,
    COUNTED,
    ENDING,
    HEADERS,
    TO_CALLERS,
    header_refs,
)
from api.openapi_shapes import complete_shapes, take_demand
from api.openapi_webhooks import meta_path, webhooks
from api.problems import CATALOGUE
from api.rate_limits import UNLIMITED
from api.read_only import ALLOWED
from api.vocabulary import meanings

_DESCRIPTION: Final = """
Campaigns on WhatsApp through Meta's Cloud API, and what became of every message.

Errors are `application/problem+json` (RFC 9457) with a stable `code`; `/problems` lists them all.
Lists are read with `limit` and `cursor`. A POST that carries an `Idempotency-Key` has one effect.
The version of this document is semantic: `docs/versioning.md` says what may change when.
"""
TAGS: Final = [
    {"name": "login", "description": "People signing in and out; their sessions and tokens."},
    {"name": "users", "description": "The people of your tenant and what they may do."},
    {"name": "tenant", "description": "Your tenant and its rules."},
    {"name": "api-keys", "description": "Keys for your programs."},
    {"name": "numbers", "description": "Your WhatsApp numbers."},
    {"name": "contacts", "description": "People, lists, and imports of both."},
    {"name": "segments", "description": "People described by a filter."},
    {"name": "consents", "description": "Who agreed to what: an append-only ledger."},
    {"name": "suppressions", "description": "Who is left alone, by whose word."},
    {"name": "templates", "description": "Message templates, taken over from Meta."},
    {"name": "campaigns", "description": "One template to one list: plan, approve, launch, watch."},
    {"name": "media", "description": "Files for the headers of templates."},
    {"name": "messages", "description": "Single messages, and the story of every message."},
    {"name": "usage", "description": "Delivered messages by day of your zone."},
    {"name": "billing", "description": "Your invoices and their lines."},
    {"name": "exports", "description": "Your data as files."},
    {"name": "webhook-endpoints", "description": "Where you are told what happens; signed."},
    {"name": "jobs", "description": "Work that goes on after its request, and how far it is."},
    {"name": "audit", "description": "Who changed what: an append-only chain."},
    {"name": "events", "description": "What we post to your endpoints."},
    {"name": "webhooks", "description": "Where Meta posts; signed, not for tenants."},
    {"name": "versions", "description": "What of this API ends, and how often you use it."},
    {"name": "problems", "description": "Every error code, with advice."},
    {"name": "health", "description": "For probes and monitors."},
]
PROBLEM_TYPE: Final = "application/problem+json"
_METHODS: Final = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
#: Of parameters whose route says nothing itself; ids are described by rule.
_PARAMETERS: Final = {
    "category": "Only of this category.",
    "code": "As in the `code` of an error.",
    "country": "Only of this country, or `*`.",
    "created_after": "Only what was made at or after this instant.",
    "created_before": "Only what was made before this instant.",
    "event_type": "Only of this type of event.",
    "from": "Only from this time on.",
    "kind": "Only of this kind.",
    "language": "Only in this language.",
    "name": "Only of this name.",
    "state": "Only in this state.",
    "status": "Only in this status.",
    "to": "The day after the last one.",
    "until": "Only before this time.",
}
#: Of a body, also where none is wanted: it is judged before anybody knows the operation.
_ERRORS_OF_BODIES: Final = (
    "malformed-request",
    "body-too-slow",
    "body-too-large",
    "unsupported-media-type",
)
#: What an operation that ends may answer besides.
ENDED: Final = ("operation-gone", "operation-brown-out")
#: Served before the rooms: without the headers that every other answer carries.
_BELOW: Final = "/webhooks/meta"


class Responses(dict[int | str, dict[str, Any]]):
    """Documented answers by status; `|` keeps the errors of both where they share a status."""

    def __or__(self, other: Any) -> "Responses":  # type: ignore[override]
        joined = Responses(self)
        for status, response in other.items():
            known = joined.get(status)
            joined[status] = response if known is None else _merged(known, response)
        return joined


def problems(*codes: str) -> Responses:
    """The documentation of further errors of an operation, for `responses=`; join them by `|`."""
    documented = Responses()
    for code in codes:
        documented = documented | Responses({CATALOGUE[code].status: problem(code)})
    return documented


def problem(code: str) -> dict[str, Any]:
    """The documentation of one error of an operation."""
    example = {"$ref": f"#/components/examples/{code}"}
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": CATALOGUE[code].title,
        "content": {PROBLEM_TYPE: {"schema": schema, "examples": {code: example}}},
    }


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The documentation of one status with the errors of both."""
    ours, theirs = _codes(one), _codes(other)
    if not ours or not theirs:
        return one | other
    codes = ours | theirs
    joined = one | problem(next(iter(codes)))
    joined["description"] = "; or: ".join(CATALOGUE[code].title for code in codes)
    joined["content"][PROBLEM_TYPE]["examples"] = codes
    return joined


def _codes(response: Mapping[str, Any]) -> dict[str, Any]:
    content = response.get("content", {}).get(PROBLEM_TYPE, {})
    return dict(content.get("examples", {}))


def install_document(app: FastAPI) -> None:
    """Describe what FastAPI can't see by itself; `app.openapi()` is the whole document."""
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, address and description of every operation of the document."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield method, path, item[method]


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
        servers=[{"url": "/", "description": "The API that serves this document."}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = document["components"]
    components["schemas"]["Problem"] = _problem_schema()
    components["schemas"].pop("HTTPValidationError", None)
    components["schemas"].pop("ValidationError", None)
    document["paths"][_BELOW] = meta_path(problem)
    document["webhooks"] = webhooks()
    for method, path, operation in operations(document):
        operation.setdefault("security", [])
        _describe_parameters(operation)
        _describe_conditions(operation)
        if path != _BELOW:
            _describe_errors(method, path, operation)
        _describe_headers(path, operation)
        _describe_end(operation)
    complete_shapes(document["components"]["schemas"])
    _describe_values(document)
    _give_examples(document)
    answers = [
        answer for _, _, each in operations(document) for answer in each["responses"].values()
    ]
    named = {name for answer in answers for name in answer.get("headers", {})}
    codes = {code for answer in answers for code in _codes(answer)}
    components["headers"] = {name: HEADERS[name] for name in HEADERS if name in named}
    components["examples"] = {code: _problem_example(code) for code in sorted(codes)}
    app.openapi_schema = document
    return document


def _describe_errors(method: str, path: str, operation: dict[str, Any]) -> None:
    """Every error of every operation has the one shape; FastAPI's own 422 is never sent."""
    responses = operation["responses"]
    if not _codes(responses.get("422", {})):
        responses.pop("422", None)
    codes = [
        *_errors_of_callers(path, operation),
        *_ERRORS_OF_BODIES,
        *_errors_of_parameters(operation),
    ]
    if operation["operationId"] not in UNLIMITED:
        codes.append("rate-limited")
    if method != "get" and path.startswith("/v1/") and path not in ALLOWED:
        codes.append("read-only")
    for code in codes:
        status = str(CATALOGUE[code].status)
        known = responses.get(status)
        responses[status] = problem(code) if known is None else _merged(known, problem(code))
    operation["responses"] = dict(sorted(responses.items()))


def _describe_end(operation: dict[str, Any]) -> None:
    """The dates of an operation that ends, its 410, and the headers of every answer of it."""
    known = deprecations().get(operation["operationId"])
    if known is None:
        return
    operation["deprecated"] = True
    operation["x-sunset"] = known.sunset_at.astimezone(UTC).isoformat()
    operation["description"] = f"{operation['description']}\n\n{known.reason}"
    known_410 = operation["responses"].get("410")
    ended = problems(*ENDED)[410]
    operation["responses"]["410"] = ended if known_410 is None else _merged(known_410, ended)
    operation["responses"]["410"]["headers"] = header_refs(*ALWAYS, "Retry-After")
    for response in operation["responses"].values():
        response["headers"] = response.get("headers", {}) | header_refs(*ENDING)


def _errors_of_parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    if names or "requestBody" in operation:
        yield "invalid-input"
    if "cursor" in names:
        yield "bad-cursor"
    if "Idempotency-Key" in names:
        yield from ("bad-idempotency-key", "request-in-flight", "idempotency-key-reused")
    if "If-Match" in names:
        yield "precondition-failed"


def _describe_conditions(operation: dict[str, Any]) -> None:
    """ETag, If-None-Match and 304 of what can be changed; If-Match and 412 of the change."""
    name = operation["operationId"]
    if name in READ_BY_CHANGE.values():
        header, meaning = "If-None-Match", "An ETag you have: 304 without a body if it holds."
        unchanged = {"description": "What you have is what you would get."}
        operation["responses"]["304"] = unchanged | {"headers": header_refs("ETag")}
    elif name in READ_BY_CHANGE:
        header, meaning = "If-Match", "The ETag of what you read: 412 if it has changed since."
    else:
        return
    for status, response in operation["responses"].items():
        if status.startswith("2") and status != "204":
            response["headers"] = response.get("headers", {}) | header_refs("ETag")
    operation.setdefault("parameters", []).append(
        {
            "name": header,
            "in": "header",
            "required": False,
            "description": meaning,
            "schema": {"type": "string", "maxLength": LONGEST, "pattern": PATTERN},
            "example": HEADERS["ETag"]["example"],
        }
    )


def _errors_of_callers(path: str, operation: Mapping[str, Any]) -> tuple[str, ...]:
    if operation["security"]:
        return (
            "unauthenticated",
            "not-allowed",
            "tenant-suspended",
            "invalid-input",
            "internal-error",
            "unavailable",
        )
    return ("internal-error", "unavailable") if path.startswith("/v1/") else ()


def _describe_headers(path: str, operation: dict[str, Any]) -> None:
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    always = () if path == _BELOW else (*ALWAYS, *(TO_CALLERS if operation["security"] else ()))
    if path != _BELOW and operation["operationId"] not in UNLIMITED:
        always += COUNTED
    for status, response in operation["responses"].items():
        wanted = [*always, *BY_STATUS.get(status, ())]
        if status.startswith("2") and "Idempotency-Key" in names:
            wanted.append("Idempotency-Replayed")
        response["headers"] = header_refs(*wanted) | response.get("headers", {})


def _describe_parameters(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        known = _PARAMETERS.get(name)
        if known is None and name.endswith("_id"):
            known = f"The id of the {name.removesuffix('_id').replace('_', ' ')}."
        if known is not None:
            parameter.setdefault("description", known)
        take_demand(parameter)


def _describe_values(node: Any) -> None:
    """Beside every enumeration, what its values mean."""
    if isinstance(node, list):
        for item in node:
            _describe_values(item)
    if not isinstance(node, dict):
        return
    values = node.get("enum")
    if isinstance(values, list) and node.get("type") == "string" and len(values) > 1:
        found = meanings(values)
        if found is not None:
            node["x-enumDescriptions"] = dict(found)
    for key, item in node.items():
        if key not in {"example", "examples", "x-enumDescriptions"}:
            _describe_values(item)


def _give_examples(document: dict[str, Any]) -> None:
    examples = Examples(document["components"]["schemas"])
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if "example" not in parameter:
                parameter["example"] = examples.of_parameter(parameter)
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [answer.get("content", {}) for answer in operation["responses"].values()]
        for content in contents:
            for media in content.values():
                if "example" not in media and "examples" not in media and "schema" in media:
                    media["example"] = examples.of(media["schema"])
    for item in document["webhooks"].values():
        media = item["post"]["requestBody"]["content"]["application/json"]
        media["example"] = examples.of(media["schema"], owner="Event")


def _problem_example(code: str) -> dict[str, Any]:
    kind = CATALOGUE[code]
    value: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.title,
        "code": code,
        "advice": kind.advice,
        "request_id": "019ab3f2-c7a0-7c3e-9d5b-1f0a6e4d2c11",
    }
    if code == "invalid-input":
        value["detail"] = "1 field(s) can't be accepted"
        rule = "Input should be less than or equal to 200"
        value["errors"] = [{"pointer": "/query/limit", "code": "less-than-equal", "detail": rule}]
    return {"summary": kind.title, "value": value}


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
