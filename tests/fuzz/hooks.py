"""What schemathesis is told about our API; it loads this module by SCHEMATHESIS_HOOKS.

`tests.fuzz.arena` says by the environment where the API is, who calls, and what there is to find.
"""

import json
import os
import zlib
from pathlib import Path
from typing import Any, Final

import requests
import schemathesis
from schemathesis import cli
from schemathesis.engine import events
from schemathesis.openapi.checks import RejectedPositiveData

from core.contact_files.xlsx import MEDIA_TYPE as XLSX
from core.domain.media import KIND_OF_TYPE
from tests.fuzz.rules import refused_by_shape

_URL: Final = os.environ["FUZZ_URL"]
_THINGS: Final[dict[str, str]] = json.loads(os.environ["FUZZ_THINGS"])
#: What a member of a body means, where its schema can't say it.
_MEANT: Final[dict[str, Any]] = {
    **_THINGS,
    "email": "somebody@example.com",
    "filter": "last_inbound within 30 days",
    "phone": "+5511987654399",
    "to": "+5511987654321",
    "url": "https://8.8.8.8/hook",
}
#: Only a person who has signed in may do them: a key is told so, and nothing else is tried.
PERSONAL: Final = frozenset(
    {
        *("log_out", "log_out_everywhere", "list_sessions", "end_session", "get_me"),
        "change_password",
    }
)
#: Failed passwords of the fuzz are counted by address; signing in comes from another one.
_FROM_ELSEWHERE: Final = {"X-Forwarded-For": "198.51.100.7"}


# Files go as the bytes that were drawn.
schemathesis.serializer.alias(
    sorted({*KIND_OF_TYPE, XLSX} - {"text/plain"}), "application/octet-stream"
)


def _is_personal(context: Any) -> bool:
    return context.operation.definition.raw.get("operationId") in PERSONAL


def _set(case: Any, credential: str) -> None:
    case.headers["Authorization"] = f"Bearer {credential}"


@schemathesis.auth().apply_to(_is_personal)
class Person:
    """An owner who has just signed in; once more when a session was ended by what was tried."""

    def get(self, case: Any, context: Any) -> str:
        who = json.loads(os.environ["FUZZ_PERSON"])
        answer = requests.post(f"{_URL}/v1/login", json=who, headers=_FROM_ELSEWHERE, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def set(self, case: Any, data: str, context: Any) -> None:
        _set(case, data)


@schemathesis.auth().skip_for(_is_personal)
class Key:
    """A key with every scope."""

    def get(self, case: Any, context: Any) -> str:
        return os.environ["FUZZ_KEY"]

    def set(self, case: Any, data: str, context: Any) -> None:
        _set(case, data)


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    """Half of the well-formed requests name what exists, or did until one of them deleted it.

    At random hardly any would: a phone number, a filter, an id never come to be by chance.
    """
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return case
    for name, value in (case.path_parameters or {}).items():
        if name in _THINGS and _tossed(value):
            case.path_parameters[name] = _THINGS[name]
    if isinstance(case.body, dict) and _tossed(case.body):
        case.body = {
            name: _MEANT[name] if value is not None and name in _MEANT else value
            for name, value in case.body.items()
        }
    return case


def _tossed(value: object) -> bool:
    """Heads or tails, the same for the same value: what is found can be found again."""
    return zlib.crc32(repr(value).encode()) % 2 == 0


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether a failure counts: a rule that no schema can say may refuse what fits the document.

    An unknown template, a time that is over, a cursor of another list: those have codes of ours.
    A refusal by pydantic's own rules (a text too long, a member unknown) is the document's fault.
    """
    if not isinstance(failure, RejectedPositiveData) or response.status_code not in _BY_RULE:
        return True
    return refused_by_shape(response.json(), case.body)


#: 400 is about a header or a file, 410 an export that is over, 412 what If-Match asks for.
_BY_RULE: Final = frozenset({400, 410, 412, 422, 502})


@cli.handler()
class Counter(cli.EventHandler[Any]):
    """One line an operation and phase: how many requests were tried, how many of them failed."""

    def __init__(self, *args: Any, **params: Any) -> None:
        self._path = Path(os.environ["FUZZ_COUNTS"])

    def handle_event(self, ctx: Any, event: Any) -> None:
        if not isinstance(event, events.ScenarioFinished) or event.recorder is None:
            return
        recorder = event.recorder
        statuses: dict[str, int] = {}
        for interaction in recorder.interactions.values():
            status = str(interaction.response.status_code if interaction.response else "none")
            statuses[status] = statuses.get(status, 0) + 1
        line = {
            "operation": recorder.label,
            "phase": event.phase.value,
            "examples": len(recorder.cases),
            "failed": len(recorder.failing_case_ids()),
            "statuses": statuses,
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
