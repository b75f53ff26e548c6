"""docs/webhooks-out.md says what is: every type, every failure, and examples that work."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from core.clock import utc_now
from core.domain.tenant_events import TenantEventType, envelope
from core.store.endpoints import new_secret
from sender.notifier import calls
from sender.notifier.retries import SCHEDULE_SECONDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "webhooks-out.md").read_text("utf-8")
MIGRATION = ROOT / "core/store/migrations/versions/0009_expand_notifier.sql"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_table_lists_just_the_types_there_are() -> None:
    described = re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", PAGE, re.MULTILINE)
    assert described == [each.value for each in TenantEventType]


def test_every_type_that_a_trigger_writes_whole_is_one_that_can_be_asked_for() -> None:
    words = "campaign|template|number|account|consent|webhook"
    written = set(re.findall(rf"'((?:{words})\.[a-z_]+)'", MIGRATION.read_text("utf-8")))
    assert len(written) >= 10
    assert written <= {each.value for each in TenantEventType}


def test_every_failure_is_explained() -> None:
    source = Path(calls.__file__).read_text("utf-8")
    named = set(re.findall(r'(?:return|else) "([a-z_]+)"', source))
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    explained = {word for row in rows for word in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert len(named) >= 6
    assert named <= explained


def test_the_example_of_a_body_has_the_shape_of_a_body() -> None:
    example = json.loads(block("json"))
    made = envelope(
        event_id=UUID(hex=example["id"].removeprefix("evt_")),
        event_type=example["type"],
        occurred_at=datetime.fromisoformat(example["timestamp"]),
        data=example["data"],
    )
    assert made == example


@pytest.mark.parametrize(
    ("secrets", "status"), [(("the",), 204), (("other", "the"), 204), (("other",), 401)]
)
def test_the_example_of_a_receiver_verifies(secrets: tuple[str, ...], status: int) -> None:
    queued: list[object] = []
    place: dict[str, object] = {
        "seen_before": lambda _: False,
        "put_into_your_queue": queued.append,
    }
    exec(block("python"), place)
    keys = {"the": new_secret(), "other": new_secret()}
    body = block("json").encode()
    headers = calls.sign([keys[name] for name in secrets], "evt_1", utc_now(), body)
    receive = place["receive"]
    assert callable(receive)
    assert receive(body, headers, keys["the"]) == status
    assert len(queued) == (status == 204)


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    """The vector of the specification's reference libraries."""
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = calls.sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        at,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_the_schedule_is_the_documented_one() -> None:
    assert SCHEDULE_SECONDS == (5, 300, 1_800, 7_200, 18_000, 36_000)
    assert "5 s, 5 min, 30 min, 2 h, 5 h, then every 10 h" in " ".join(PAGE.split())
