"""An append-only file of what the sandbox answered for, so that killing it loses nothing.

A line is written before the answer leaves. It survives the death of the process (the operating
system has it), not the death of the machine: nothing is forced to disk.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from sandbox.ledger import Message
from sandbox.script import Step

if TYPE_CHECKING:
    from sandbox.payloads import StatusRef

_COLUMNS = (
    "seq",
    "wamid",
    "number_id",
    "wa_id",
    "country",
    "accepted_ms",
    "type",
    "template",
    "category",
    "price_type",
    "opaque",
    "content",
)


class Journal:
    """Writes records to `path`; with None every call does nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: int | None = None

    def read(self) -> Iterator[dict[str, object]]:
        """All whole records so far; a line torn by a crash at the end of the file is left out."""
        if self._path is None or not self._path.exists():
            return
        with self._path.open("rb") as lines:
            for position, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    return
                try:
                    record = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise ValueError(f"{self._path}: line {position} is not JSON") from error
                if not isinstance(record, dict):
                    raise TypeError(f"{self._path}: line {position} is not a record")
                yield record

    def open(self) -> None:
        """Open for appending; a torn last line is cut off first."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._cut_torn_line(self._path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o600)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def accepted(self, message: Message, nth: int) -> None:
        """A send was taken, with its whole script."""
        if self._file is None:
            return
        values = [getattr(message, column) for column in _COLUMNS]
        self._write({"k": "accepted", "n": nth, "v": values, "s": [list(s) for s in message.steps]})

    def posted(self, refs: "Sequence[StatusRef]") -> None:
        """These statuses were answered with 200."""
        if self._file is not None and refs:
            self._write({"k": "posted", "s": [[ref.message.seq, ref.step] for ref in refs]})

    def noted(self, kind: str, value: object) -> None:
        """Anything else that a restart has to know: a window, a callback, new faults, a reset."""
        if self._file is not None:
            self._write({"k": kind, "v": value})

    def restart(self) -> None:
        """Forget everything written so far (a reset of the ledger)."""
        if self._file is not None:
            os.ftruncate(self._file, 0)

    def _write(self, record: dict[str, object]) -> None:
        if self._file is None:
            return
        line = memoryview(orjson.dumps(record) + b"\n")
        while line:
            line = line[os.write(self._file, line) :]

    @staticmethod
    def _cut_torn_line(path: Path) -> None:
        if not path.exists():
            return
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)


def message_from(record: dict[str, object]) -> Message:
    """The message of an `accepted` record."""
    values, steps = record["v"], record["s"]
    if not isinstance(values, list) or not isinstance(steps, list):
        raise TypeError("not an accepted record")
    fields = dict(zip(_COLUMNS, values, strict=True))
    return Message(**fields, steps=tuple(Step(*step) for step in steps))
