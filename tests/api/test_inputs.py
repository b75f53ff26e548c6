"""What clients may throw at the API: every answer is a problem, nothing is written, it stays up."""

import asyncio
import time

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.body_limits import JSON_LIMIT
from api.problems import CATALOGUE
from core.settings import Settings
from tests.api.conftest import Account, running

JSON = {"Content-Type": "application/json"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["type"] == f"/problems/{code}"
    for leak in ("Traceback", "select ", "insert ", "psycopg", ".py", "/work"):
        assert leak not in answer.text
    return body


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "malformed-request"),
        (b"\xff\xfe{}", 400, "malformed-request"),
        (b"[" * 100_000, 400, "malformed-request"),
        (b'{"name":' * 50_000 + b"1" + b"}" * 50_000, 400, "malformed-request"),
        (b'{"name":' + b"1" * 5000 + b"}", 400, "malformed-request"),
        (b"{}", 422, "invalid-input"),
        (b"[]", 422, "invalid-input"),
        (b"null", 422, "invalid-input"),
        (b"", 422, "invalid-input"),
        (b'{"name": null}', 422, "invalid-input"),
        (b'{"name": 1}', 422, "invalid-input"),
        (b'{"name": true}', 422, "invalid-input"),
        (b'{"name": ["a"]}', 422, "invalid-input"),
        (b'{"name": ""}', 422, "invalid-input"),
        (b'{"name": "   "}', 422, "invalid-input"),
        (b'{"name": "a\\u0000b"}', 422, "invalid-input"),
        (b'{"name": "a\\ud800b"}', 422, "invalid-input"),
        (b'{"name": "a\\nb"}', 422, "invalid-input"),
        (b'{"name": NaN}', 400, "malformed-request"),
        (b'{"name": -Infinity}', 400, "malformed-request"),
        (b'{"name": 1e999}', 400, "malformed-request"),
        (b'{"name": "a", "name": "b"}', 400, "malformed-request"),
        (b'{"name": "a", "n\\u0061me": "b"}', 400, "malformed-request"),
        (b'{"name": {"a": 1, "a": 1}}', 400, "malformed-request"),
        ('{"name": "a"}'.encode("utf-16"), 400, "malformed-request"),
        (b'\xef\xbb\xbf{"name": "a"}', 400, "malformed-request"),
        (b'{"name": ' + b"[" * 31 + b"]" * 31 + b"}", 422, "invalid-input"),
        (b'{"name": ' + b"[" * 32 + b"]" * 32 + b"}", 400, "malformed-request"),
        (b'{"name": [' + b"1," * 10_000 + b"1]}", 400, "malformed-request"),
        (b'{"name": "' + b"x" * 65_537 + b'"}', 400, "malformed-request"),
        (b'{"name": "a", "\\ud800": 1}', 422, "invalid-input"),
        (b'{"name": "a", "role": "owner"}', 422, "invalid-input"),
        (b'{"name": "' + b"x" * 121 + b'"}', 422, "invalid-input"),
    ],
)
async def test_bad_bodies_are_refused(
    api: httpx.AsyncClient, content: bytes, status: int, code: str
) -> None:
    answer = await api.post("/v1/lists", content=content, headers=JSON)
    assert_problem(answer, status, code)
    assert (await api.get("/v1/lists")).json()["items"] == []


async def test_right_to_left_marks_and_emoji_are_text_like_any_other(
    api: httpx.AsyncClient,
) -> None:
    name = "\u202eabc \U0001f950 a\u0301"
    answer = await api.post("/v1/lists", json={"name": name})
    assert (answer.status_code, answer.json()["name"]) == (201, name)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "1e9"},
        {"limit": "201"},
        {"limit": "0x10"},
        {"limit": "\u0661"},
        {"sort": "password_hash"},
        {"limit": "10", "offset": "5"},
        {"list_id": "1 or 1=1"},
        {"cursor": "x" * 600},
    ],
)
async def test_bad_queries_are_refused(api: httpx.AsyncClient, query: dict[str, str]) -> None:
    body = assert_problem(await api.get("/v1/contacts", params=query), 422, "invalid-input")
    assert body["errors"]


async def test_a_repeated_parameter_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/contacts?limit=1&limit=2")
    assert_problem(answer, 422, "invalid-input")


async def test_errors_point_at_the_field(api: httpx.AsyncClient) -> None:
    wanted = {"phone": "+5511987654321", "attributes": {"a/b": "x", "ok": 5}}
    body = assert_problem(await api.post("/v1/contacts", json=wanted), 422, "invalid-input")
    pointers = {error["pointer"] for error in body["errors"]}  # type: ignore[attr-defined]
    assert "/attributes/ok" in pointers
    assert any(pointer.startswith("/attributes/a~1b") for pointer in pointers)


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (
            "/v1/templates",
            {"components": [{"type": "BODY", "text": "a"}, {"type": "FOOTER", "text": 5}]},
            "/components/1/text",
        ),
        ("/v1/contacts", {"phone": "1", "attributes": {"a b": "x"}}, "/attributes/a b"),
        ("/v1/campaigns", {"parameters": {"1": {"value": 5}}}, "/parameters/1/value"),
        ("/v1/campaigns", {"parameters": {"1": {}}}, "/parameters/1/attribute"),
        ("/v1/lists", {"name": "a", "a/b~c": 1}, "/a~1b~0c"),
        ("/v1/lists", {}, "/name"),
        ("/v1/lists", [], ""),
    ],
)
async def test_a_pointer_leads_through_the_body_as_it_was_sent(
    api: httpx.AsyncClient, path: str, body: object, pointer: str
) -> None:
    """And names no kind of ours on the way: `/components/1/FOOTER/text` leads nowhere."""
    answer = await api.post(path, json=body)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]], answer.text


@pytest.mark.parametrize(
    "day", ["0", "1700000000", "2026-11-24T00:00:00", "20261124", "24/11/2026"]
)
async def test_a_day_is_written_as_a_day(api: httpx.AsyncClient, day: str) -> None:
    for path, query in (
        ("/v1/usage", {"from": day, "to": "2026-12-01"}),
        ("/v1/deprecations", {"to": day}),
    ):
        answer = await api.get(path, params=query)
        assert answer.status_code == 422, path
        assert answer.json()["errors"][0]["pointer"].startswith("/query/")


async def test_too_large_bodies_are_cut_off_whatever_their_length_says(
    api: httpx.AsyncClient,
) -> None:
    large = b'{"name": "' + b"x" * JSON_LIMIT + b'"}'
    assert_problem(await api.post("/v1/lists", content=large, headers=JSON), 413, "body-too-large")

    async def endless() -> object:
        for _ in range(64):
            yield b" " * 65_536

    answer = await api.post("/v1/lists", content=endless(), headers=JSON)  # type: ignore[arg-type]
    assert_problem(answer, 413, "body-too-large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
async def test_other_forms_of_a_body_are_refused(
    api: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await api.post("/v1/lists", content=b'{"name": "x"}', headers=headers)
    assert_problem(answer, 415, "unsupported-media-type")


async def test_a_file_is_imported_as_csv_only(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/contacts/imports?list=x", json={"phone": "1"})
    assert_problem(answer, 415, "unsupported-media-type")


async def test_an_import_without_a_body_is_a_file_without_a_header(api: httpx.AsyncClient) -> None:
    answer = await api.post("/v1/contacts/imports?list=l")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-csv-header")


async def test_an_address_of_254_characters_is_taken_wherever_one_is_given(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    domain = ".".join(["d" * 60] * 3)
    email = f"{'a' * 64}@{domain}.{'e' * 6}"
    person = {"email": email, "name": "Ana", "role": "viewer"}
    assert len(email) == 254
    assert (await api.post("/v1/users", json=person)).status_code == 201
    stranger = {"slug": tenant.slug, "email": email, "password": "x"}
    assert (await api.post("/v1/login", json=stranger)).status_code == 401


async def test_unknown_addresses_and_methods_are_problems(api: httpx.AsyncClient) -> None:
    assert_problem(await api.get("/v1/nothing"), 404, "not-found")
    assert_problem(await api.get("/v1/contacts/"), 404, "not-found")
    answer = await api.put("/v1/tenant", json={})
    assert_problem(answer, 405, "method-not-allowed")
    assert "GET" in answer.headers["allow"]
    assert_problem(await api.get("/v1/contacts/not-a-uuid"), 422, "invalid-input")


async def test_every_problem_has_a_page(anonymous: httpx.AsyncClient) -> None:
    listed = (await anonymous.get("/problems")).json()["items"]
    assert {item["code"] for item in listed} == set(CATALOGUE)
    for code in CATALOGUE:
        page = (await anonymous.get(f"/problems/{code}")).json()
        assert page["advice"]
    assert_problem(await anonymous.get("/problems/none"), 404, "not-found")


async def test_without_the_database_everything_is_503_with_retry_after(
    api: httpx.AsyncClient, app: FastAPI
) -> None:
    await app.state.api.pool.close()
    answer = await api.get("/v1/tenant")
    assert_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"]
    assert (await api.get("/health/live")).status_code == 200
    ready = await api.get("/health/ready")
    assert (ready.status_code, ready.json()["database"]) == (503, "no_answer")


async def test_readiness_knows_the_schema(anonymous: httpx.AsyncClient, app: FastAPI) -> None:
    assert (await anonymous.get("/health/ready")).json()["status"] == "ready"
    from dataclasses import replace

    app.state.api = replace(app.state.api, schema_head="9999")
    answer = await anonymous.get("/health/ready")
    assert (answer.status_code, answer.json()["schema_version"]) == (503, "other_release")


async def test_a_process_has_started_when_it_was_ready_once(
    anonymous: httpx.AsyncClient, app: FastAPI
) -> None:
    from dataclasses import replace

    whole = app.state.api
    app.state.api = replace(whole, schema_head="9999")
    early = await anonymous.get("/health/startup")
    assert (early.status_code, early.json()) == (503, {"status": "starting"})
    app.state.api = whole
    assert (await anonymous.get("/health/startup")).json() == {"status": "started"}
    # What becomes of it later is readiness's business.
    app.state.api = replace(whole, schema_head="9999")
    assert (await anonymous.get("/health/startup")).status_code == 200


async def test_readiness_tells_of_the_broker_and_does_not_hang_on_it(
    settings: Settings, broker_url: str
) -> None:
    async with running(create_app(settings)) as client:
        assert (await client.get("/health/ready")).json()["broker"] == "not_set"
    async with running(
        create_app(settings.model_copy(update={"broker_url": broker_url}))
    ) as client:
        assert (await client.get("/health/ready")).json()["broker"] == "ok"

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    for url in (f"amqp://127.0.0.1:{port}//", "redis://127.0.0.1:1/0"):
        away = settings.model_copy(update={"broker_url": url})
        async with running(create_app(away)) as client:
            started = time.monotonic()
            answer = await client.get("/health/ready")
            assert (answer.status_code, answer.json()["broker"]) == (200, "no_answer")
            assert time.monotonic() - started < 1.5
    silent.close()


async def test_metrics_name_no_tenant(api: httpx.AsyncClient, tenant: Account) -> None:
    await api.get("/v1/tenant")
    await api.get("/v1/nothing/secret-path")
    text = (await api.get("/metrics")).text
    assert 'carteiro_http_requests_total{method="GET",route="/v1/tenant",status="200"}' in text
    for secret in (str(tenant.tenant_id), tenant.slug, tenant.phone_number_id, "secret-path"):
        assert secret not in text


async def test_many_large_bodies_at_once_leave_it_serving(api: httpx.AsyncClient) -> None:
    large = b"x" * (JSON_LIMIT + 1)
    answers = await asyncio.gather(
        *(api.post("/v1/lists", content=large, headers=JSON) for _ in range(50))
    )
    assert {answer.status_code for answer in answers} == {413}
    assert (await api.get("/v1/tenant")).status_code == 200


async def test_answers_carry_an_id_and_are_not_stored_on_the_way(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/tenant")
    assert len(answer.headers["x-request-id"]) == 36
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
