"""Webhooks of every kind on demand, in every generation of shapes."""

import contextlib
import itertools
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.whatsapp.updates import Update as Read
from core.whatsapp.webhooks import parse_updates
from sandbox.clock import SandboxClock
from sandbox.config import Shape
from sandbox.notices import notice_names
from sandbox.samples import sample_names
from tests.sandbox.test_ledger import Process
from tests.support.sandboxes import Callback, Json, RunningSandbox, quick_config, running_sandbox


def test_every_kind_can_be_had_and_is_read_by_the_platform(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    for kind in notice_names():
        sandbox.control("webhooks", {"kind": kind})
    callback.wait_for(lambda c: len(c.deliveries) == len(notice_names()))

    read: list[list[Read]] = [list(parse_updates(d.body)) for d in callback.deliveries]

    assert [len(updates) for updates in read] == [1] * len(notice_names())
    fields = {d.json["entry"][0]["changes"][0]["field"] for d in callback.deliveries}
    assert {"account_update", "messages", "calls", "telepathy_update"} <= fields


def test_every_sample_arrives_from_its_sender_and_opens_the_window_unless_it_is_the_systems(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    people = {name: f"551195555{i:04d}" for i, name in enumerate(sample_names())}
    ids = {
        sandbox.control("inbound", {"from": f"+{person}", "sample": name})["id"]: person
        for name, person in people.items()
    }
    callback.wait_for(lambda c: len(c.deliveries) == len(people))
    messages = [value["messages"][0] for value in callback.values()]
    windows = {m["type"]: sandbox.send_text(f"+{m['from']}").status_code for m in messages}

    assert {m["id"]: m["from"] for m in messages} == ids
    assert all(list(parse_updates(d.body)) for d in callback.deliveries)
    assert {kind for kind, status in windows.items() if status != 200} == {"system"}


def test_inbound_media_can_be_downloaded_for_five_minutes(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    sandbox.control("inbound", {"from": "+5511955550123", "sample": "image"})
    callback.wait_for(lambda c: bool(c.deliveries))
    image = callback.values()[0]["messages"][0]["image"]
    fetched = sandbox.client.get(image["url"])
    sandbox.control("clock", {"advance_seconds": 301})
    stale = sandbox.client.get(image["url"])
    fresh = sandbox.client.get(sandbox.client.get(f"/v26.0/{image['id']}").json()["url"])
    sandbox.control("clock", {"advance_seconds": 31 * 86_400})
    gone = sandbox.client.get(f"/v26.0/{image['id']}").json()["error"]

    assert fetched.content.startswith(b"\x89PNG")
    assert (stale.status_code, fresh.status_code) == (404, 200)
    assert (gone["code"], gone["error_subcode"]) == (100, 33)


@pytest.mark.parametrize("shape", list(Shape))
def test_status_shapes_of_three_generations(callback: Callback, shape: Shape) -> None:
    config = quick_config(callback={"url": callback.url, "shape": shape.value})
    with running_sandbox(config) as sandbox:
        sandbox.send_template()
        sent, delivered, read = callback.wait_for_statuses(3)

    assert ("conversation" in sent) == (shape is Shape.V23)
    assert ("recipient_user_id" in sent) == (shape is Shape.BSUID)
    assert ("contacts" in callback.values()[0]) == (shape is Shape.BSUID)
    assert sent["recipient_id"] == "5511955550123"
    if shape is Shape.V23:
        assert isinstance(sent["conversation"]["expiration_timestamp"], str)
        assert "expiration_timestamp" not in delivered["conversation"]
        assert sent["conversation"]["origin"] == {"type": "utility"}
        assert sent["conversation"]["id"] == read["conversation"]["id"]


def test_phone_is_shown_only_for_people_who_wrote(callback: Callback) -> None:
    config = quick_config(callback={"url": callback.url, "phones_by_rule": True})
    with running_sandbox(config) as sandbox:
        user = sandbox.control("inbound", {"from": "+5511955550001", "text": "oi"})["user_id"]
        sandbox.send_template("+5511955550001")
        sandbox.send_template("+5511955550002")
        callback.wait_for_statuses(6)
        shown = {s.get("recipient_id") for s in callback.statuses()}
        url = f"/v26.0/{sandbox.number_id}/contact_book"
        query = {"messaging_product": "whatsapp", "bsuid": user}
        answers = [sandbox.client.delete(url, params=query).json() for _ in range(2)]

    assert shown == {"5511955550001", None}
    assert [a["deleted"] for a in answers] == [True, False]


def test_bodies_stay_under_the_byte_limit(callback: Callback) -> None:
    config = quick_config(
        callback={
            "url": callback.url,
            "batch_size": 1000,
            "flush_interval_ms": 500,
            "max_bytes": 5000,
        }
    )
    with running_sandbox(config) as sandbox:
        for i in range(15):
            sandbox.send_template(f"+551195555{i:04d}", biz_opaque_callback_data="é" * 100)
        statuses = callback.wait_for_statuses(45)

    assert len(statuses) == 45
    assert max(len(d.body) for d in callback.deliveries) <= 5000
    assert max(len(v["statuses"]) for v in callback.values()) > 1


def test_number_override_is_verified_and_covers_messages_only(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    url = f"/v26.0/{sandbox.number_id}"
    override = {"override_callback_uri": callback.url, "verify_token": "wrong"}
    refused = sandbox.client.post(url, json={"webhook_configuration": override}).json()
    override["verify_token"] = callback.verify_token
    accepted = sandbox.client.post(url, json={"webhook_configuration": override}).json()
    sandbox.control("callback", {"url": None})
    sandbox.control("webhooks", {"kind": "account_alerts"})
    sandbox.control("webhooks", {"kind": "call_connect"})
    callback.wait_for(lambda c: bool(c.values("calls")))

    assert refused["error"]["code"] == 2200
    assert accepted == {"success": True}
    assert callback.values("account_alerts") == []


def test_failed_can_follow_delivered_and_voice_is_played(callback: Callback) -> None:
    faults = {"played": 1.0, "failed_after_delivered": 1.0}
    with running_sandbox(quick_config(callback={"url": callback.url}, faults=faults)) as sandbox:
        sandbox.control("inbound", {"from": "+5511955550123", "text": "oi"})
        audio: Json = {"type": "audio", "audio": {"link": "https://store.example/a.ogg"}}
        sandbox.post({"messaging_product": "whatsapp", "to": "+5511955550123", **audio})
        callback.wait_for(lambda c: {"played", "failed"} <= {s["status"] for s in c.statuses()})
        callback.wait_for(lambda _: sandbox.summary()["statuses"]["pending"] == 0)
        planned = sandbox.summary()["statuses"]["planned"]

    assert planned == {"sent": 1, "delivered": 1, "read": 1, "failed": 1, "played": 1}


def test_every_nth_and_suffix_faults_strike_by_rule() -> None:
    faults: Json = {
        "every": [{"nth": 3, "api_error": 131016}],
        "suffixes": {"99": {"api_error": 131026}},
    }
    with running_sandbox(quick_config(faults=faults)) as sandbox:
        people = [f"+55119555500{i}" for i in (10, 99, 11, 12, 13, 14, 15)]
        codes = [sandbox.send_template(p).json().get("error", {}).get("code") for p in people]

    assert codes == [None, 131026, None, 131016, None, None, 131016]


def test_wrong_pins_lock_a_number_for_72_hours() -> None:
    config = quick_config()
    config.wabas[0].numbers[0].pin = "123456"
    config.wabas[0].numbers[0].state = "DISCONNECTED"
    with running_sandbox(config) as sandbox:

        def register(pin: str) -> object:
            body = {"messaging_product": "whatsapp", "pin": pin}
            answer = sandbox.client.post(f"/v26.0/{sandbox.number_id}/register", json=body)
            return answer.json().get("error", {}).get("code")

        before = sandbox.send_template().json()["error"]["code"]
        wrong = [register("000000") for _ in range(10)]
        locked = register("123456")
        sandbox.control("clock", {"advance_seconds": 72 * 3600 + 1})
        right, short = register("123456"), register("12345")
        after = sandbox.send_template().status_code

    assert (before, set(wrong), locked) == (133010, {133005}, 133016)
    assert (right, short, after) == (None, 100, 200)


def test_ledger_finds_by_token_message_id_and_recipient(sandbox: RunningSandbox) -> None:
    wamids = [
        sandbox.send_template(f"+551195555000{i}", biz_opaque_callback_data=f"t{i}").json()[
            "messages"
        ][0]["id"]
        for i in range(3)
    ]

    def seqs(**query: str) -> list[int]:
        rows = sandbox.client.get("/sandbox/ledger", params=query).json()["data"]
        return [row["seq"] for row in rows]

    assert seqs(biz_opaque_callback_data="t1") == [2]
    assert seqs(wamid=wamids[2]) == [3]
    assert seqs(recipient="+55 11 95555-0000") == [1]
    assert seqs(recipient="+5511955550000", wamid=wamids[2]) == []
    assert seqs(phone_number_id="404") == []


@given(
    moves=st.lists(
        st.tuples(st.floats(0, 1000), st.one_of(st.none(), st.floats(0, 10**9))), max_size=10
    )
)
def test_clock_never_goes_back_unless_it_is_told_to(
    moves: list[tuple[float, float | None]],
) -> None:
    clock = SandboxClock()
    seen = [clock.now_ms()]
    for speed, step in moves:
        at_ms = None if step is None else clock.now_ms() + int(step)
        clock.set(at_ms=at_ms, speed=speed)
        seen.append(clock.now_ms())

    # A moment is kept in whole milliseconds, so a change of speed may lose less than one.
    assert all(later >= earlier - 1 for earlier, later in itertools.pairwise(seen))


def test_stopped_clock_holds_statuses_and_a_fast_one_brings_them(callback: Callback) -> None:
    config = quick_config(
        callback={"url": callback.url}, delivery={"read_ms": [3_600_000, 3_600_000]}
    )
    with running_sandbox(config) as sandbox:
        stopped = sandbox.control("clock", {"speed": 0})
        sandbox.send_template()
        again = sandbox.client.get("/sandbox/clock").json()
        held = len(callback.statuses())
        sandbox.control("clock", {"speed": 100_000})
        statuses = callback.wait_for_statuses(3)

    assert stopped["now_ms"] == again["now_ms"]
    assert held == 0
    assert {s["status"] for s in statuses} == {"sent", "delivered", "read"}


def test_outage_refuses_connections_and_ends(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(quick_config().model_dump_json())
    process = Process(config, tmp_path / "journal.jsonl")
    host, _, port = process.facts["base_url"].removeprefix("http://").partition(":")

    def refused() -> bool:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except ConnectionRefusedError:
            return True
        return False

    try:
        assert process.send(1).status_code == 200
        assert not refused()
        with contextlib.suppress(httpx.TransportError):  # its own answer may be cut, too
            process.client.post("/sandbox/outage", json={"seconds": 3})
        assert refused()
        deadline = time.monotonic() + 30
        while refused():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert process.send(2).status_code == 200
    finally:
        process.end(signal.SIGKILL)
