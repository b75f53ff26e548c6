from collections.abc import Iterator

import pytest

from tests.support.sandboxes import (
    Callback,
    RunningSandbox,
    quick_config,
    recording_callback,
    running_sandbox,
)


@pytest.fixture
def callback() -> Iterator[Callback]:
    """A webhook receiver."""
    with recording_callback() as running:
        yield running


@pytest.fixture
def sandbox(callback: Callback) -> Iterator[RunningSandbox]:
    """The demo world with quick statuses, posting to `callback` one update at a time."""
    with running_sandbox(quick_config(callback={"url": callback.url})) as running:
        yield running
