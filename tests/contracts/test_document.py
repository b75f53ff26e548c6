"""The OpenAPI document is complete; where it isn't, a test says what to add and where."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from jsonschema import Draft202012Validator

from api.app import create_app
from api.examples import Examples
from api.openapi import TAGS, operations
from api.openapi_webhooks import data_schema
from api.problems import CATALOGUE
from core.domain.tenant_events import TenantEventType
from tests.contracts.raised import codes_of
from tests.support.contract import document
from tests.support.settings import make_settings

#: Served below FastAPI, so not a route of it.
BELOW = {("get", "/webhooks/meta"), ("post", "/webhooks/meta")}
#: Raised below these routes, and caught before it is an answer.
CAUGHT = {
    ("import_contacts", "invalid-phone"): "the outcome of a row, in the file of errors",
    ("get_readiness", "unavailable"): "what the answer tells",
    ("get_startup", "unavailable"): "what the answer tells",
    **{
        ("send_messages", code): "the problem of an item"
        for code in (
            "consent-missing",
            "invalid-phone",
            "missing-parameter",
            "opted-out",
            "suppressed",
            "template-not-sendable",
            "us-marketing",
        )
    },
}


@cache
def routes() -> list[APIRoute]:
    settings = make_settings(database_url="postgresql://nobody@127.0.0.1/nothing")
    contexts = iter_route_contexts(create_app(settings).routes)
    return [each.original_route for each in contexts if isinstance(each.original_route, APIRoute)]


def method_of(route: APIRoute) -> str:
    """Each of our routes takes one method."""
    return min(route.methods or {""}).lower()


def media_of(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where, media type and description of every body of an operation."""
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
        yield "request", media_type, media
    for status, response in operation["responses"].items():
        for media_type, media in response.get("content", {}).items():
            yield status, media_type, media


def test_the_document_has_every_route_and_no_other() -> None:
    served = {
        (method.lower(), route.path)
        for route in routes()
        for method in route.methods or ()
        if route.include_in_schema
    }
    hidden = [route.path for route in routes() if not route.include_in_schema]
    assert {(method, path) for method, path, _ in operations(document())} == served | BELOW
    assert hidden == [], "every route is documented: don't set include_in_schema=False"


def test_every_operation_says_what_it_is() -> None:
    tags = {tag["name"] for tag in TAGS}
    for method, path, operation in operations(document()):
        where = f"{method.upper()} {path}"
        for member in ("operationId", "summary", "description"):
            assert operation.get(member), f"{where}: give it {member} (description: a docstring)"
        assert operation.get("tags"), f"{where}: give its router tags=[...]"
        assert set(operation["tags"]) <= tags, f"{where}: describe its tag in TAGS (api/openapi.py)"
        assert "security" in operation, where
    used = {tag for _, _, operation in operations(document()) for tag in operation["tags"]}
    assert tags - used == {"events"}, "TAGS (api/openapi.py) has a tag that nothing uses"


def test_operation_ids_are_unique() -> None:
    ids = Counter(operation["operationId"] for _, _, operation in operations(document()))
    assert [name for name, count in ids.items() if count > 1] == []


def test_schemas_are_named_for_people() -> None:
    names = [name for name in document()["components"]["schemas"] if "__" in name]
    assert names == [], "two schemas have one class name: rename one of the classes"


def test_every_error_that_a_route_can_raise_is_documented() -> None:
    missing = []
    for route in routes():
        operation = document()["paths"][route.path][method_of(route)]
        documented = {
            code
            for response in operation["responses"].values()
            for media in response.get("content", {}).values()
            for code in media.get("examples", {})
        }
        lacking = set(codes_of(route.endpoint)) - documented
        lacking = {code for code in lacking if (route.operation_id, code) not in CAUGHT}
        if "{" not in route.path:
            # Own rows are read by the same words; a thing named in a body is met by live answers.
            lacking.discard("not-found")
        if lacking:
            missing.append(f"{route.operation_id}: responses=problems{tuple(sorted(lacking))}")
    assert missing == []


def test_every_status_that_is_an_error_is_a_problem_with_an_example() -> None:
    for _, path, operation in operations(document()):
        for status, response in operation["responses"].items():
            if int(status) < 400 or path.startswith("/health"):
                continue
            content = response["content"]["application/problem+json"]
            assert content["examples"], (operation["operationId"], status)
            for code in content["examples"]:
                assert str(CATALOGUE[code].status) == status


def test_every_operation_has_examples_and_they_fit_their_schemas() -> None:
    components = {"components": document()["components"]}
    for _, _, operation in operations(document()):
        name = operation["operationId"]
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), f"{name}, {parameter['name']}: describe it"
            example = parameter.get("example")
            validator = Draft202012Validator({**parameter["schema"], **components})
            problems = [error.message for error in validator.iter_errors(example)]
            assert problems == [], f"{name}, {parameter['name']}: see api/sample_values.py"
        for where, media_type, media in media_of(operation):
            if "examples" in media:
                continue
            assert "example" in media, f"{name}, {where}: no example for {media_type}"
            validator = Draft202012Validator({**media["schema"], **components})
            problems = [
                f"{e.json_path}: {e.message}" for e in validator.iter_errors(media["example"])
            ]
            assert problems == [], f"{name}, {where}: see api/sample_values.py"


def test_the_examples_of_requests_are_accepted() -> None:
    """By the models themselves, which know more rules than their schemas."""
    for route in routes():
        if route.body_field is None:
            continue
        operation = document()["paths"][route.path][method_of(route)]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        _, errors = route.body_field.validate(example, {}, loc=("body",))
        assert not errors, f"{route.operation_id}: give its schema an example that it accepts"


def test_every_word_of_an_example_has_a_value() -> None:
    examples = Examples(document()["components"]["schemas"])
    for _, path, operation in operations(document()):
        for parameter in operation.get("parameters", ()):
            examples.of_parameter(parameter)
        for _, media_type, media in media_of(operation):
            if (
                "examples" not in media
                and media_type == "application/json"
                and path.startswith("/v1")
            ):
                examples.of(media["schema"])
    lacking = sorted(examples.words_without_value)
    assert lacking == [], "give them a value in VALUES or PARAMETERS (api/sample_values.py)"


def enumerations(node: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if isinstance(node.get("enum"), list) and len(node["enum"]) > 1:
            yield where, node
        for key, item in node.items():
            yield from enumerations(item, f"{where}/{key}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from enumerations(item, f"{where}/{index}")


def test_every_value_of_every_enumeration_is_explained() -> None:
    unexplained = {
        str(node["enum"]): where
        for where, node in enumerations(document())
        if set(node.get("x-enumDescriptions", ())) != set(node["enum"])
        and all(isinstance(value, str) for value in node["enum"])
    }
    assert unexplained == {}, "say what the values mean: _GROUPS in api/vocabulary.py"


def test_answers_name_their_headers() -> None:
    for _, path, operation in operations(document()):
        if path.startswith("/webhooks"):
            continue
        parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
        for status, response in operation["responses"].items():
            headers = set(response["headers"])
            assert "X-Request-Id" in headers
            assert (status not in {"429", "503"}) or "Retry-After" in headers
            assert (status != "401") or "WWW-Authenticate" in headers
            if status.startswith("2") and "Idempotency-Key" in parameters:
                assert "Idempotency-Replayed" in headers
            if status.startswith("2") and "If-Match" in parameters and status != "204":
                assert "ETag" in headers, f"{operation['operationId']}: header_refs('ETag')"


@pytest.mark.parametrize("event_type", list(TenantEventType))
def test_every_event_we_send_is_described_with_an_example(event_type: TenantEventType) -> None:
    operation = document()["webhooks"][event_type.value]["post"]
    media = operation["requestBody"]["content"]["application/json"]
    Draft202012Validator(media["schema"]).validate(media["example"])
    assert media["example"]["type"] == event_type.value
    headers = {parameter["name"] for parameter in operation["parameters"]}
    assert headers == {"webhook-id", "webhook-timestamp", "webhook-signature"}


def test_the_page_names_the_members_that_the_document_describes() -> None:
    """docs/webhooks-out.md and the document are written by hand, from the same triggers."""
    from tests.sender.test_webhooks_page import PAGE

    rows = re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| [^|]* \| ([^|]*) \|", PAGE, re.MULTILINE)
    before: list[str] = []
    assert len(rows) == len(TenantEventType)
    for name, cell in rows:
        before = before if "the same" in cell else re.findall(r"`([a-z_]+)`", cell)
        # Every type may have the request's id: the page says so once, above the table.
        described = {*data_schema(TenantEventType(name))["properties"]} - {"request_id"}
        assert sorted(described) == sorted(before), name
    assert "`request_id` in `data`" in PAGE
