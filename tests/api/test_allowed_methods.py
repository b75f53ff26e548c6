"""405 and its Allow: what an address takes, over all routes that share it."""

from itertools import chain

import httpx
import pytest

from api.openapi import operations
from core.domain.ids import new_id
from tests.support.contract import document


async def test_allow_names_every_documented_method_of_the_address(api: httpx.AsyncClient) -> None:
    methods: dict[str, set[str]] = {}
    for method, path, _ in operations(document()):
        methods.setdefault(path, set()).add(method.upper())
    del methods["/webhooks/meta"]
    for path, takes in methods.items():
        address = path.replace("{code}", "conflict")
        for name in chain.from_iterable(part.split("}")[:1] for part in address.split("{")[1:]):
            address = address.replace("{" + name + "}", str(new_id()))
        answer = await api.request("OPTIONS", address)
        assert answer.status_code == 405, path
        assert set(answer.headers["allow"].split(", ")) == takes, path
        assert answer.json()["code"] == "method-not-allowed"


@pytest.mark.parametrize(
    ("method", "address", "allow"),
    [
        ("GET", "/v1/contacts/bulk", "POST"),
        ("PATCH", "/v1/users/me", "GET"),
        ("DELETE", "/v1/templates/sync", "POST"),
        ("GET", "/v1/suppressions/bulk", "POST"),
    ],
)
async def test_a_fixed_word_is_never_taken_for_an_id(
    api: httpx.AsyncClient, method: str, address: str, allow: str
) -> None:
    answer = await api.request(method, address)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


async def test_an_id_that_is_none_stays_422(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/contacts/nobody")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    assert (await api.get("/v1/contacts/imports/nothing")).status_code == 422
