"""Row `pause`: from the asking for a pause to the last request that reaches Meta, at 1,000/s."""

import json
import time
import urllib.request
from dataclasses import dataclass
from typing import Final

from tests.load.registry import Figure, Promise, benchmarks
from tests.load.stage import Stage
from tests.load.whole_path import PER_SECOND, WholePath, plan_campaign, start_whole_path

_MESSAGES: Final = 30_000
_TIMES: Final = 3
_SENT_BETWEEN: Final = 4_000
_QUIET_SECONDS: Final = 3.0


@benchmarks(
    Promise(name="pause", unit="s", target=2, peer=None, less_is_better=True),
    seconds=60,
)
def measure_pause(stage: Stage) -> tuple[Figure, ...]:
    """The worst of some pauses of one running campaign, by the sandbox's clock and ours, one."""
    stage.require_cores(2)
    broker = stage.broker()
    path = start_whole_path(stage, broker, count=_MESSAGES)
    plan_campaign(stage, path)
    taken = [_pause_once(stage, path) for _ in range(_TIMES)]
    took = [pause.seconds for pause in taken]
    stage.say(f"pauses took {', '.join(f'{seconds:.3f} s' for seconds in took)}")
    return (
        Figure(
            value=max(took),
            peer_value=None,
            note=(
                f"worst of {_TIMES} pauses of a campaign at {PER_SECOND:,}/s: from before the"
                " pause's transaction to the last send the sandbox took; the commit took at most"
                f" {max(pause.commit_seconds for pause in taken):.3f} s of it, for it waits for"
                f" claims under way, and at most {max(pause.late for pause in taken)} sends came"
                f" after it; broker {broker.name}; two workers"
            ),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pause:
    """Seconds until the last send and until the commit, and the sends after the commit."""

    seconds: float
    commit_seconds: float
    late: int


def _pause_once(stage: Stage, path: WholePath) -> _Pause:
    before = path.accepted()
    path.world.execute("update app.campaigns set status = 'running', launched_at = now()")
    stage.wait_for(lambda: path.accepted() - before >= _SENT_BETWEEN, 900)
    asked_at = time.time()
    path.world.execute("update app.campaigns set status = 'paused'")
    committed_at, at_pause = time.time(), path.accepted()
    accepted, changed = at_pause, time.monotonic()
    while time.monotonic() - changed < _QUIET_SECONDS:
        time.sleep(0.1)
        if (now := path.accepted()) != accepted:
            accepted, changed = now, time.monotonic()
    if accepted >= _MESSAGES:
        raise RuntimeError("the campaign ended before it was paused")
    return _Pause(
        seconds=max(_last_accepted(path, accepted) - asked_at, 0.0),
        commit_seconds=committed_at - asked_at,
        late=accepted - at_pause,
    )


def _last_accepted(path: WholePath, accepted: int) -> float:
    """When the sandbox took its last send, in seconds since 1970."""
    address = f"{path.sandbox_url}/sandbox/ledger?after={accepted - 1}&limit=1"
    with urllib.request.urlopen(address) as answer:
        return float(json.load(answer)["data"][-1]["accepted_ms"]) / 1000
