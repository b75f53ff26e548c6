"""Meta's webhooks: signed, durable before the answer, nothing parsed."""

import asyncio
import json

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api.app import create_app
from api.webhooks.routes import MAX_BODY_BYTES
from core.settings import Settings
from core.whatsapp.webhooks import sign
from tests.api.conftest import running
from tests.support.settings import APP_SECRET, VERIFY_TOKEN

URL = "/webhooks/meta"
Admin = psycopg.Connection[tuple[object, ...]]


def signed(body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    return {"Content-Type": "application/json", "X-Hub-Signature-256": sign(body, secret)}


def stored(admin: Admin) -> list[bytes]:
    rows = admin.execute(
        "select b.body from raw.webhook_bodies as b inner join raw.webhook_queue as q "
        "on b.body_id = q.body_id and b.received_at = q.received_at order by b.body_id"
    ).fetchall()
    return [bytes(row[0]) for row in rows if isinstance(row[0], bytes)]


async def test_a_signed_body_is_stored_byte_by_byte_and_queued(
    anonymous: httpx.AsyncClient, admin: Admin
) -> None:
    body = rb'{"entry":[{"changes":[{"value":{"text":"a\u00e7\u00e3o \/ ok"}}]}]}'
    answer = await anonymous.post(URL, content=body, headers=signed(body))
    assert answer.status_code == 200
    assert stored(admin) == [body]


async def test_many_at_once_are_all_stored_once(anonymous: httpx.AsyncClient, admin: Admin) -> None:
    bodies = [json.dumps({"n": n}).encode() for n in range(300)]
    answers = await asyncio.gather(
        *(anonymous.post(URL, content=body, headers=signed(body)) for body in bodies)
    )
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(stored(admin)) == sorted(bodies)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": sign(b"{}", APP_SECRET).removeprefix("sha256=")},
        {"X-Hub-Signature-256": sign(b"other", APP_SECRET)},
        {"X-Hub-Signature-256": sign(b"{}", "another app's secret")},
        {"X-Hub-Signature-256": b"sha256=\xc3\xa9"},
    ],
)
async def test_without_a_right_signature_nothing_is_stored(
    anonymous: httpx.AsyncClient, admin: Admin, headers: dict[str, str]
) -> None:
    answer = await anonymous.post(URL, content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad-signature")
    assert stored(admin) == []


async def test_two_signatures_count_as_none(anonymous: httpx.AsyncClient) -> None:
    value = sign(b"{}", APP_SECRET)
    headers = [("X-Hub-Signature-256", value), ("X-Hub-Signature-256", value)]
    assert (await anonymous.post(URL, content=b"{}", headers=headers)).status_code == 401


async def test_the_previous_secret_is_taken_while_it_is_configured(settings: Settings) -> None:
    body = b"{}"
    old = {"meta_app_secret": SecretStr("new"), "meta_app_secret_previous": SecretStr(APP_SECRET)}
    for overlap, status in ((old, 200), ({"meta_app_secret": SecretStr("new")}, 401)):
        async with running(create_app(settings.model_copy(update=overlap))) as client:
            answer = await client.post(URL, content=body, headers=signed(body))
            assert answer.status_code == status


async def test_a_body_of_three_megabytes_is_taken_and_a_larger_one_refused(
    anonymous: httpx.AsyncClient, admin: Admin
) -> None:
    body = b'{"x":"' + b"a" * (3 * 1024 * 1024) + b'"}'
    assert (await anonymous.post(URL, content=body, headers=signed(body))).status_code == 200
    large = b"a" * (MAX_BODY_BYTES + 1)
    answer = await anonymous.post(URL, content=large, headers=signed(large))
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert len(stored(admin)) == 1


async def test_a_compressed_body_is_refused_unread(
    anonymous: httpx.AsyncClient, admin: Admin
) -> None:
    headers = {**signed(b"zip"), "Content-Encoding": "gzip"}
    answer = await anonymous.post(URL, content=b"zip", headers=headers)
    assert answer.status_code == 415
    assert stored(admin) == []


async def test_a_body_that_is_no_json_is_kept_for_the_applier_to_judge(
    anonymous: httpx.AsyncClient, admin: Admin
) -> None:
    body = b"\x00\xff not json"
    assert (await anonymous.post(URL, content=body, headers=signed(body))).status_code == 200
    assert stored(admin) == [body]


async def test_without_a_database_the_answer_is_503_and_the_next_one_succeeds(
    anonymous: httpx.AsyncClient, admin: Admin
) -> None:
    admin.execute("revoke insert on raw.webhook_queue from carteiro_app")
    answer = await anonymous.post(URL, content=b"{}", headers=signed(b"{}"))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert stored(admin) == []
    admin.execute("grant insert on raw.webhook_queue to carteiro_app")
    assert (await anonymous.post(URL, content=b"{}", headers=signed(b"{}"))).status_code == 200


async def test_whoever_waits_too_long_is_told_to_come_again_whatever_the_commit_does(
    anonymous: httpx.AsyncClient, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.webhooks.landing.PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr("api.webhooks.landing._COMMIT_SECONDS", 120.0)
    with admin.transaction():
        admin.execute("lock table raw.webhook_queue in access exclusive mode")
        answer = await anonymous.post(URL, content=b"{}", headers=signed(b"{}"))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        monkeypatch.setattr("api.webhooks.landing.PATIENCE_SECONDS", 120.0)
    # The commit that came too late holds the writer: the next one is answered after it.
    assert (await anonymous.post(URL, content=b"{}", headers=signed(b"{}"))).status_code == 200
    assert stored(admin) == [b"{}", b"{}"]


def handshake(**changes: str | None) -> dict[str, str]:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201"}
    query |= {key.replace("_", ".", 1): value or "" for key, value in changes.items()}
    return query


async def test_the_handshake_echoes_the_challenge_as_plain_text(
    anonymous: httpx.AsyncClient,
) -> None:
    answer = await anonymous.get(URL, params=handshake())
    assert (answer.status_code, answer.text) == (200, "1158201")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "changes",
    [
        {"hub_mode": None},
        {"hub_mode": "unsubscribe"},
        {"hub_verify_token": "wrong"},
        {"hub_verify_token": "\u00e9"},
        {"hub_challenge": "<script>alert(1)</script>"},
        {"hub_challenge": None},
    ],
)
async def test_a_handshake_that_does_not_fit_is_refused(
    anonymous: httpx.AsyncClient, changes: dict[str, str | None]
) -> None:
    answer = await anonymous.get(URL, params=handshake(**changes))
    assert answer.status_code == 403
    assert "script" not in answer.text


async def test_the_app_can_be_started_twice(app: FastAPI) -> None:
    for _ in range(2):
        async with running(app) as client:
            answer = await client.post(URL, content=b"{}", headers=signed(b"{}"))
            assert answer.status_code == 200
