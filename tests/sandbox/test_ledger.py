import base64
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import orjson
import pytest

from sandbox.acceptance import Sandbox
from sandbox.recovery import restore
from tests.support.sandboxes import (
    TEMPLATE,
    Callback,
    Json,
    RunningSandbox,
    quick_config,
    running_sandbox,
)


def token(message: int, attempt: int) -> str:
    """A token as the platform writes them: two ids, an attempt, a signature nobody reads here."""
    fields = bytes(16) + message.to_bytes(16) + attempt.to_bytes(2)
    return f"c1.{base64.urlsafe_b64encode(fields).decode().rstrip('=')}.c2lnbmF0dXJl"


def test_second_attempt_of_a_message_is_a_duplicate_even_with_another_token(
    sandbox: RunningSandbox,
) -> None:
    sandbox.send_template("+5511955550001", biz_opaque_callback_data=token(1, 1))
    sandbox.send_template("+5511955550002", biz_opaque_callback_data=token(2, 1))
    clean = sandbox.summary()
    sandbox.send_template("+5511955550001", biz_opaque_callback_data=token(1, 2))
    sandbox.send_template("+5511955550003", biz_opaque_callback_data=token(2, 1))
    summary = sandbox.summary()

    assert {k: v for k, v in clean["duplicates"].items() if k != "first_pairs"} == {
        "by_token": 0,
        "by_message": 0,
        "by_recipient_template": 0,
        "by_recipient_content": 0,
    }
    assert (clean["distinct_tokens"], clean["distinct_messages"]) == (2, 2)
    assert summary["duplicates"]["by_token"] == 1
    assert summary["duplicates"]["by_message"] == 2
    assert summary["duplicates"]["by_recipient_template"] == 1
    assert summary["duplicates"]["by_recipient_content"] == 1
    assert {"by": "message", "first": 1, "again": 3} in summary["duplicates"]["first_pairs"]


def test_summary_adds_up_once_everything_is_posted(
    sandbox: RunningSandbox, callback: Callback
) -> None:
    for i in range(5):
        sandbox.send_template(f"+551195555000{i}", biz_opaque_callback_data=f"t{i}")
    callback.wait_for_statuses(15)
    callback.wait_for(lambda _: sandbox.summary()["statuses"]["pending"] == 0)
    summary = sandbox.summary()

    assert summary["accepted_by_number"] == {sandbox.number_id: 5}
    assert summary["accepted_by_category"] == {"utility": 5}
    assert summary["delivered_by_category"] == {"utility": 5}
    expected = {"sent": 5, "delivered": 5, "read": 5, "failed": 0}
    for kind in ("planned", "emitted", "posted_ok"):
        assert summary["statuses"][kind] == expected
    assert summary["callback_posts"]["waiting_updates"] == 0


def test_ledger_pages_show_no_phone_number(sandbox: RunningSandbox) -> None:
    for i in range(5):
        sandbox.send_template(f"+551195555000{i}", biz_opaque_callback_data=f"t{i}")
    sandbox.send_template("+5511955550000")

    first = sandbox.client.get("/sandbox/ledger", params={"limit": 4})
    second = sandbox.client.get("/sandbox/ledger", params={"after": first.json()["next_after"]})

    rows = first.json()["data"] + second.json()["data"]
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert second.json()["next_after"] is None
    assert "551195555" not in first.text
    assert rows[0]["recipient_hash"] == rows[5]["recipient_hash"] != rows[1]["recipient_hash"]
    assert rows[0]["biz_opaque_callback_data"] == "t0"


def test_page_shows_counts_and_no_phone_number(sandbox: RunningSandbox) -> None:
    sandbox.send_template("+5511955550042", template={**TEMPLATE, "name": "missing"})
    sandbox.send_template("+5511955550042")

    page = sandbox.client.get("/")

    assert page.status_code == 200
    assert '"accepted":1' in page.text
    assert sandbox.client.get("/sandbox/live").json()["accepted"] == 1
    assert "132001" in page.text
    assert "BR …42" in page.text
    assert "5511955550042" not in page.text


def test_reset_forgets_messages_and_never_repeats_a_message_id(sandbox: RunningSandbox) -> None:
    first = sandbox.send_template().json()["messages"][0]["id"]
    sandbox.control("reset", {})
    emptied = sandbox.summary()
    second = sandbox.send_template().json()["messages"][0]["id"]

    assert emptied["accepted_total"] == 0
    assert emptied["callback_posts"]["waiting_updates"] == 0
    assert first != second


class Process:
    """A sandbox in its own process, with a journal."""

    def __init__(self, config: Path, journal: Path) -> None:
        command = [sys.executable, "-m", "sandbox", "--port", "0", "--json"]
        command += ["--config", str(config), "--journal", str(journal)]
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root)
        assert self.process.stdout is not None
        self.facts: Json = orjson.loads(self.process.stdout.readline())
        headers = {"Authorization": f"Bearer {self.facts['token']}"}
        self.client = httpx.Client(base_url=self.facts["base_url"], headers=headers)

    def send(self, i: int) -> httpx.Response:
        body = {
            "messaging_product": "whatsapp",
            "to": f"+551195556{i:04d}",
            "type": "template",
            "template": TEMPLATE,
            "biz_opaque_callback_data": token(i, 1),
        }
        return self.client.post(f"/{self.facts['phone_number_id']}/messages", json=body)

    def end(self, how: signal.Signals) -> int:
        self.client.close()
        self.process.send_signal(how)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(timeout=20)


def test_sigkill_loses_no_accepted_message_and_no_status(
    tmp_path: Path, callback: Callback
) -> None:
    config = quick_config(
        callback={"url": callback.url, "batch_size": 10}, delivery={"read_ms": [600, 900]}
    )
    config_path, journal = tmp_path / "config.json", tmp_path / "journal.jsonl"
    config_path.write_text(config.model_dump_json())
    first = Process(config_path, journal)
    wamids = [first.send(i).json()["messages"][0]["id"] for i in range(60)]
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    with journal.open("ab") as file:
        file.write(b'{"k":"accepted","n":1,"v":[torn')

    second = Process(config_path, journal)
    try:
        again = second.send(0).json()["messages"][0]["id"]
        callback.wait_for(
            lambda c: (
                {(s["id"], s["status"]) for s in c.statuses()}
                >= {(w, s) for w in wamids for s in ("sent", "delivered", "read")}
            )
        )
        deadline = time.monotonic() + 10
        while second.client.get("/sandbox/ledger/summary").json()["statuses"]["pending"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        summary = second.client.get("/sandbox/ledger/summary").json()
    finally:
        code = second.end(signal.SIGTERM)

    assert code == 0
    assert again not in wamids
    assert summary["accepted_total"] == 61
    assert summary["duplicates"]["by_token"] == 1
    assert summary["delivered_by_category"] == {"utility": 61}
    assert journal.stat().st_mode & 0o077 == 0


def test_journal_restores_windows_faults_and_callback(tmp_path: Path) -> None:
    config = quick_config()
    config.journal = tmp_path / "journal.jsonl"
    with running_sandbox(config.model_copy(deep=True)) as sandbox:
        sandbox.control("inbound", {"from": "+5511955550123", "text": "oi"})
        sandbox.control("faults", {"api_errors": {"131026": 1.0}})
        sandbox.control("callback", {"url": "http://127.0.0.1:9/none"})
    with running_sandbox(config) as sandbox:
        assert sandbox.app.sandbox.world.app_callback_url == "http://127.0.0.1:9/none"
        assert sandbox.send_text().json()["error"]["code"] == 131026
        sandbox.control("faults", {})
        assert sandbox.send_text().status_code == 200


def test_journal_of_another_world_stops_the_start(tmp_path: Path) -> None:
    config, other = quick_config(seed=7), quick_config(seed=8)
    config.journal = other.journal = tmp_path / "journal.jsonl"
    with running_sandbox(config) as sandbox:
        sandbox.send_template()

    with pytest.raises(ValueError, match="another world"):
        restore(Sandbox(other))


def test_health_says_when_the_webhooks_have_stopped() -> None:
    with running_sandbox(quick_config(delivery={"read_ms": [500, 500]})) as sandbox:
        sandbox.send_template()
        sandbox.app.sandbox.world.numbers.clear()
        deadline = time.monotonic() + 10
        while (health := sandbox.client.get("/sandbox/health")).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    assert health.json() == {"status": "callbacks stopped: KeyError"}


@pytest.mark.parametrize("content", [b'{"k":"magic","v":1}\n', b"not json\n"])
def test_journal_that_nobody_understands_stops_the_start(tmp_path: Path, content: bytes) -> None:
    config = quick_config()
    config.journal = tmp_path / "journal.jsonl"
    config.journal.write_bytes(content)

    with pytest.raises(ValueError, match="journal"):
        restore(Sandbox(config))


def test_restart_does_not_make_a_person_meet_the_same_fault_again(tmp_path: Path) -> None:
    config = quick_config(faults={"answers": {"http_500_unaccepted": 0.5}})
    config.journal = tmp_path / "journal.jsonl"
    with running_sandbox(config) as sandbox:
        first = [sandbox.send_template().status_code]
        while first[-1] == 200 or len(first) < 5:  # the last one leaves no accepted record
            first.append(sandbox.send_template().status_code)
    with running_sandbox(config) as sandbox:
        second = [sandbox.send_template().status_code for _ in range(8)]
    config.journal = None
    with running_sandbox(config) as sandbox:
        in_one_go = [sandbox.send_template().status_code for _ in range(len(first) + 8)]

    assert first + second == in_one_go
    assert set(in_one_go) == {200, 500}
