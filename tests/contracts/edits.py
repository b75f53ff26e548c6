"""25 edits of a document that somebody may make: 15 break a program of a tenant, 10 don't."""

from collections.abc import Callable
from typing import Any

Document = dict[str, Any]
Edit = Callable[[Document], None]
_JSON = "application/json"


def schema(document: Document, name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def operation(document: Document, method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path][method]
    return found


def parameter(document: Document, method: str, path: str, name: str) -> dict[str, Any]:
    parameters = operation(document, method, path)["parameters"]
    found: dict[str, Any] = next(each for each in parameters if each["name"] == name)
    return found


def _remove_an_operation(document: Document) -> None:
    del document["paths"]["/v1/messages/{message_id}/explain"]["get"]


def _rename_an_address(document: Document) -> None:
    document["paths"]["/v1/inboxes"] = document["paths"].pop("/v1/inbox")


def _remove_a_field_of_an_answer(document: Document) -> None:
    del schema(document, "Message")["properties"]["address"]
    schema(document, "Message")["required"].remove("address")


def _make_a_field_of_an_answer_optional(document: Document) -> None:
    schema(document, "Message")["required"].remove("address")


def _change_the_type_of_a_field_of_an_answer(document: Document) -> None:
    schema(document, "Message")["properties"]["attempt_no"]["type"] = "string"


def _let_a_field_of_an_answer_be_null(document: Document) -> None:
    schema(document, "ContactList")["properties"]["name"] = {
        "anyOf": [{"type": "string"}, {"type": "null"}]
    }


def _add_a_value_to_an_enumeration_of_an_answer(document: Document) -> None:
    schema(document, "Import")["properties"]["status"]["enum"].append("stuck")


def _require_a_new_field_of_a_request(document: Document) -> None:
    schema(document, "CreateList")["properties"]["owner"] = {"type": "string"}
    schema(document, "CreateList")["required"].append("owner")


def _require_an_optional_field_of_a_request(document: Document) -> None:
    schema(document, "SaveContact")["required"].append("name")


def _take_a_field_of_a_request_away(document: Document) -> None:
    del schema(document, "SendMessage")["properties"]["expires_in_seconds"]


def _remove_a_value_of_an_enumeration_of_a_request(document: Document) -> None:
    schema(document, "CreateExport")["properties"]["format"]["enum"].remove("xlsx")


def _tighten_a_limit(document: Document) -> None:
    parameter(document, "get", "/v1/messages", "limit")["schema"]["maximum"] = 100


def _require_a_header(document: Document) -> None:
    parameter(document, "post", "/v1/campaigns", "Idempotency-Key")["required"] = True


def _change_the_status_of_success(document: Document) -> None:
    responses = operation(document, "post", "/v1/campaigns")["responses"]
    responses["200"] = responses.pop("201")


def _ask_for_a_credential(document: Document) -> None:
    operation(document, "get", "/problems")["security"] = [{"bearer": []}]


BREAKING: tuple[Edit, ...] = (
    _remove_an_operation,
    _rename_an_address,
    _remove_a_field_of_an_answer,
    _make_a_field_of_an_answer_optional,
    _change_the_type_of_a_field_of_an_answer,
    _let_a_field_of_an_answer_be_null,
    _add_a_value_to_an_enumeration_of_an_answer,
    _require_a_new_field_of_a_request,
    _require_an_optional_field_of_a_request,
    _take_a_field_of_a_request_away,
    _remove_a_value_of_an_enumeration_of_a_request,
    _tighten_a_limit,
    _require_a_header,
    _change_the_status_of_success,
    _ask_for_a_credential,
)


def _add_an_operation(document: Document) -> None:
    document["paths"]["/v1/inbox"]["head"] = {
        "operationId": "count_inbox",
        "security": [{"bearer": []}],
        "responses": {"204": {"description": "How many."}},
    }


def _add_an_optional_parameter(document: Document) -> None:
    operation(document, "get", "/v1/messages")["parameters"].append(
        {"name": "kind", "in": "query", "required": False, "schema": {"type": "string"}}
    )


def _add_an_optional_field_to_a_request(document: Document) -> None:
    schema(document, "SendMessage")["properties"]["reference"] = {"type": "string"}


def _add_a_field_to_an_answer(document: Document) -> None:
    schema(document, "Message")["properties"]["reference"] = {"type": "string"}
    schema(document, "Message")["required"].append("reference")


def _say_it_better(document: Document) -> None:
    operation(document, "get", "/v1/messages")["description"] = "Your messages, newest first."
    schema(document, "Message")["description"] = "A message, its content and its instants."


def _add_a_value_to_an_enumeration_of_a_request(document: Document) -> None:
    schema(document, "CreateExport")["properties"]["format"]["enum"].append("orc")


def _loosen_a_limit(document: Document) -> None:
    parameter(document, "get", "/v1/messages", "limit")["schema"]["maximum"] = 500


def _document_another_error(document: Document) -> None:
    responses = operation(document, "get", "/v1/messages")["responses"]
    responses["451"] = {"description": "Not here.", "content": responses["401"]["content"]}


def _require_less_of_a_request(document: Document) -> None:
    schema(document, "CreateCampaign")["required"].remove("name")


def _deprecate_an_operation(document: Document) -> None:
    operation(document, "get", "/v1/inbox")["deprecated"] = True


HARMLESS: tuple[Edit, ...] = (
    _add_an_operation,
    _add_an_optional_parameter,
    _add_an_optional_field_to_a_request,
    _add_a_field_to_an_answer,
    _say_it_better,
    _add_a_value_to_an_enumeration_of_a_request,
    _loosen_a_limit,
    _document_another_error,
    _require_less_of_a_request,
    _deprecate_an_operation,
)
