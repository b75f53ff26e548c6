"""Logs: what is written, and above all what never is."""

import io
import json
import logging
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from core.errors import CarteiroError, MetaError
from core.logs import _mask_until_configured, configure_logging, get_logger
from core.masking import ALLOWED_KEYS, mask_event, mask_text

PHONES = ["+5511987654321", "5511987654321", "+55 (11) 98765-4321", "11 98765 4321", "98765-4321"]
SECRETS = [
    *PHONES,
    "wamid.HBgNNTUxMTk4NzY1NDMyMRUCABEYEjQ2",
    "maria.canario@example.com",
    "123.456.789-09",
    "12345678909",
    "EAAGm0PX4ZCpsBAKZA",
    "Bearer abc.def-ghi",
    "bearer canary",
    "Basic dXNlcjpwYXNz",
    "https://x.example/?access_token=canary123",
    "?hub.mode=subscribe&hub.verify_token=canary123&hub.challenge=1",
    "postgresql://app:canary123@db.example/carteiro",
    "amqp://app:canary123@mq.example/",
    "host=db password=canary123 dbname=x",
    "password='canary 123'",
    '{"client_secret": "canary123"}',
    "ctr_live_9fpuB2Uq_canary123canary123",
    "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJjYW5hcnkifQ.c2ln",
    "c1.AaIIebVreyuNCyrC9Xy6.Og_I499",
]
SIZES = {"bytes", "memory_bytes", "size", "rows", "count", "body_id", "duration_ms", "milliseconds"}
PIECES = [
    "98765",
    "canary",
    "HBgN",
    "456.789",
    "45678909",
    "EAAG",
    "def-ghi",
    "dXNl",
    "eyJ",
    "AaII",
]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The stream of a configured process; puts the former handlers back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("test", stream=stream)
    yield stream
    logging.captureWarnings(False)
    _mask_until_configured()
    root.handlers, root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def assert_clean(text: str) -> None:
    assert not [piece for piece in PIECES if piece in text], text


def test_a_line_says_who_when_what(written: io.StringIO) -> None:
    tenant = UUID("018f0000-0000-7000-8000-000000000001")
    get_logger("sender.worker").info("ticket done", tenant_id=tenant, count=3, state="sent")
    (line,) = lines(written)
    assert line["event"] == "ticket done"
    assert (line["level"], line["logger"], line["component"]) == ("info", "sender.worker", "test")
    assert (line["tenant_id"], line["count"], line["state"]) == (str(tenant), 3, "sent")
    assert str(line["timestamp"]).endswith("Z")


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_masked_wherever_it_stands(written: io.StringIO, secret: str) -> None:
    get_logger("x").warning(
        f"sending to {secret} failed", reason=secret, found=[{"status": secret}]
    )
    logging.getLogger("some.library").error("sending to %s failed", secret)
    assert len(lines(written)) == 2
    assert_clean(written.getvalue())


def test_unknown_keys_are_dropped_and_counted(written: io.StringIO) -> None:
    get_logger("x").info("import done", contact_name="Maria Canário", phone=PHONES[0], rows=2)
    (line,) = lines(written)
    assert (line["dropped_keys"], line["rows"]) == (2, 2)
    assert "Maria" not in written.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "018f0000-0000-7000-8000-000000000001",
        "2026-11-23 13:16:18",
        "2026-11-23T13:16:18.123456+00:00",
        "carteiro_app took 1234567 rows in 12.5 s",
        "messages_2026_11_23",
    ],
)
def test_ids_and_instants_stay_readable(text: str) -> None:
    assert mask_text(text) == text


def test_a_number_s_meta_id_stays_and_a_phone_in_its_place_does_not() -> None:
    kept = mask_event({"phone_number_id": "106540352242922", "waba_id": "5511987654321"})
    assert kept == {"phone_number_id": "106540352242922", "waba_id": "***"}


def test_integers_that_could_be_phones_are_masked() -> None:
    assert mask_event({"code": 5511987654321, "rows": 30_000_000, "meta_code": 2388299}) == {
        "code": "***",
        "rows": 30_000_000,
        "meta_code": 2388299,
    }


def test_a_foreign_exception_shows_type_and_place_but_not_the_refused_row(
    written: io.StringIO,
) -> None:
    try:
        try:
            raise ValueError(
                'duplicate key value violates "contacts_phone_key"\n'
                "DETAIL: Key (name)=(Maria Canário) already exists"
            )
        except ValueError as error:
            raise KeyError("Maria Canário") from error
    except KeyError:
        get_logger("x").exception("import failed")
        logging.getLogger("library").exception("import failed")
    assert "Maria" not in written.getvalue()
    for line in lines(written):
        text = str(line["exception"])
        assert "KeyError: ***" in text
        assert "contacts_phone_key" in text
        assert "test_logs.py" in text


def test_our_own_errors_keep_their_sentence(written: io.StringIO) -> None:
    try:
        raise MetaError(meta_code=131026, http_status=400, details="canary 5511987654321")
    except CarteiroError:
        get_logger("x").exception("refused")
    assert "MetaError: Meta refused the call with code 131026 (HTTP 400)" in written.getvalue()
    assert_clean(written.getvalue())


def test_a_handler_that_a_library_had_installed_is_not_a_way_out() -> None:
    library, stream = logging.getLogger("chatty.library"), io.StringIO()
    library.addHandler(logging.StreamHandler(stream))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("test", stream=io.StringIO())
    library.warning("to +5511987654321")
    root.handlers, root.level = handlers, level
    assert stream.getvalue() == ""


def test_a_process_that_never_configured_its_logs_masks_them_too() -> None:
    program = """
from core.logs import get_logger
try:
    raise KeyError('Maria')
except KeyError:
    get_logger('x').exception('to +5511987654321', name='Maria')
"""
    done = subprocess.run(  # noqa: PLW1510 - its output is what is looked at
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    line = json.loads(done.stderr)
    assert (line["event"], line["level"], line["dropped_keys"]) == ("to ***", "error", 1)
    assert "Maria" not in done.stderr


def test_warnings_and_access_logs_have_no_way_round(written: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # pytest has put its own hook in place of ours since the fixture ran.
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn(f"to {PHONES[0]}", UserWarning, stacklevel=1)
    assert "UserWarning: to ***" in written.getvalue()
    logging.getLogger("uvicorn.access").critical("GET /x?access_token=canary")
    assert_clean(written.getvalue())
    assert "access" not in written.getvalue()


def test_bound_context_is_masked_too(written: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1", reason=PHONES[0], who="Maria"):
        get_logger("x").info("done")
    (line,) = lines(written)
    assert (line["request_id"], line["reason"], line["dropped_keys"]) == ("r1", "***", 1)


def test_console_format_is_masked_too(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    from core.settings import get_settings

    monkeypatch.setenv("CARTEIRO_LOG_FORMAT", "console")
    get_settings.cache_clear()
    stream: io.StringIO = request.getfixturevalue("written")
    get_settings.cache_clear()
    get_logger("x").info(f"to {PHONES[2]}", reason=SECRETS[7])
    assert "to ***" in stream.getvalue()
    assert_clean(stream.getvalue())


def test_a_long_hostile_text_is_masked_in_no_time() -> None:
    started = time.perf_counter()
    for text in ("a" * 200_000, "1" * 200_000, "+ " * 100_000, "a.b@" * 50_000, "token" * 40_000):
        assert len(mask_text(text)) <= 2_001
    assert time.perf_counter() - started < 2


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=0, max_value=999),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(SECRETS),
    st.sampled_from([5511987654321, Decimal(5511987654321), date(2026, 1, 1), timedelta(1)]),
    st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    st.binary(max_size=3),
    st.builds(object),
)
KEYS = st.one_of(st.sampled_from(sorted(ALLOWED_KEYS)), st.sampled_from(["phone", "name", "body"]))
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.tuples(inner, inner),
    ),
    max_leaves=20,
)


def without_sizes(value: object) -> object:
    """Numbers of bytes and rows may be as large as they are."""
    if isinstance(value, dict):
        return {
            key: without_sizes(item)
            for key, item in value.items()
            if not (key in SIZES and not isinstance(item, str))
        }
    return [without_sizes(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(KEYS, NESTED, max_size=6))
def test_no_nesting_carries_a_secret_out(event: dict[str, object]) -> None:
    kept = mask_event(event)
    assert set(kept) <= ALLOWED_KEYS
    assert_clean(json.dumps(without_sizes(kept)))


@given(st.sampled_from(SECRETS), st.text(max_size=30), st.text(max_size=30))
def test_no_neighbourhood_of_letters_saves_a_secret(secret: str, before: str, after: str) -> None:
    assert_clean(mask_text(f"{before} {secret} {after}").replace(before, "").replace(after, ""))
