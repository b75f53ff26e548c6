"""Ids sort by their making; clocks stand still when told to; errors say who must act."""

import json
import urllib.request
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import errors, metrics
from core.clock import FixedClock, SystemClock, utc_now
from core.domain.consent import stop_word
from core.domain.ids import created_at, new_id

START = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE = START.replace(tzinfo=None)
INSTANTS = st.datetimes(min_value=NAIVE, timezones=st.just(UTC))


@given(INSTANTS)
def test_an_id_is_version_7_and_knows_its_millisecond(at: datetime) -> None:
    identifier = new_id(at)
    assert (identifier.version, identifier.variant) == (7, "specified in RFC 4122")
    assert created_at(identifier) == at.replace(microsecond=at.microsecond // 1000 * 1000)


@given(INSTANTS, INSTANTS)
def test_ids_sort_as_their_instants(first: datetime, second: datetime) -> None:
    if first != second:
        assert (new_id(first) < new_id(second)) == (first < second)


def test_ids_made_in_a_row_are_distinct_and_nearly_sorted() -> None:
    made = [new_id() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    assert made[0] < made[-1]
    assert abs(created_at(made[-1]) - utc_now()) < timedelta(seconds=5)


@pytest.mark.parametrize("at", [datetime(1969, 12, 31, tzinfo=UTC), NAIVE])
def test_an_instant_that_no_id_can_hold_is_refused(at: datetime) -> None:
    with pytest.raises(ValueError, match="id"):
        new_id(at)


def test_a_random_id_does_not_know_its_time() -> None:
    with pytest.raises(ValueError, match="version 7"):
        created_at(uuid4())


def test_a_fixed_clock_moves_only_when_told() -> None:
    start = datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=-3)))
    clock = FixedClock(start)
    assert clock.now() == clock.now() == start
    assert clock.now().tzinfo is UTC
    clock.advance(timedelta(minutes=1))
    assert clock.now() == start + timedelta(minutes=1)
    clock.set(start)
    assert clock.now() == start


def test_clocks_are_aware() -> None:
    assert SystemClock().now().tzinfo is UTC
    with pytest.raises(ValueError, match="aware"):
        FixedClock(NAIVE)


def every_error(root: type[errors.CarteiroError]) -> list[type[errors.CarteiroError]]:
    found = [root]
    for child in root.__subclasses__():
        found.extend(every_error(child))
    return found


def test_every_error_has_a_code_of_its_own() -> None:
    kinds = [kind for kind in every_error(errors.CarteiroError) if kind.__module__ == "core.errors"]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert all(code == code.lower() and " " not in code and "_" not in code for code in codes)


def test_the_tree_in_the_docstring_names_every_error() -> None:
    tree = errors.__doc__ or ""
    for kind in every_error(errors.CarteiroError):
        if kind.__module__ == "core.errors":
            assert kind.__name__ in tree, kind


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("STOP", "stop"),
        (" stop. ", "stop"),
        ("Pare!!!", "pare"),
        ("SAIR \U0001f621", "sair"),
        ("cancelar suscripci\u00f3n", "cancelar suscripcion"),
        ("\uff33\uff34\uff2f\uff30", "stop"),
        ("don't stop", None),
        ("pare de sofrer", None),
        ("", None),
        ("stop" * 1000, None),
        ("\ud800", None),
    ],
)
def test_people_withdraw_by_a_whole_message(text: str, word: str | None) -> None:
    assert stop_word(text) == word


def test_metrics_are_served_without_naming_anybody() -> None:
    metrics.SEND_OUTCOMES.labels(state="accepted").inc()
    server = metrics.serve_metrics(0)
    address = f"http://127.0.0.1:{server.port}/metrics"
    with urllib.request.urlopen(address, timeout=5) as answer:
        text = answer.read().decode()
    server.stop()
    assert 'carteiro_send_outcomes_total{state="accepted"}' in text
    names = {"tenant", "tenant_id", "phone", "message_id", "campaign_id", "wamid"}
    assert not [name for name in names if f"{name}=" in text], json.dumps(sorted(names))
