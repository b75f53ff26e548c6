"""The service window, to the second."""

from datetime import UTC, datetime, timedelta

import pytest

from core.domain.service_window import is_window_open, opens_window, window_end

SAID = datetime(2026, 11, 23, 12, 0, 7, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("after", "open_then"),
    [
        (timedelta(0), True),
        (DAY - SECOND, True),
        (DAY - timedelta(microseconds=1), True),
        (DAY, False),
        (DAY + SECOND, False),
        (-SECOND, False),
    ],
)
def test_a_window_ends_at_24_hours_and_0_seconds(after: timedelta, open_then: bool) -> None:
    assert is_window_open(SAID, SAID + after) is open_then
    assert window_end(SAID) == SAID + DAY


@pytest.mark.parametrize(
    ("kind", "opens"),
    [
        ("text", True),
        ("image", True),
        ("button", True),
        ("interactive", True),
        ("order", True),
        ("unsupported", True),
        ("of_a_later_version", True),
        ("system", False),
        ("request_welcome", False),
        ("reaction", False),
        ("edit", False),
        ("revoke", False),
    ],
)
def test_what_opens_a_window(kind: str, opens: bool) -> None:
    assert opens_window(kind) is opens
