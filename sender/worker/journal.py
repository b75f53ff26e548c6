"""Which messages this worker has begun to post: a small file that outlives it.

A claim says that a worker may post a message. Only a mark here says that it began to: bytes leave
for marked messages alone. A killed worker cannot say how far it got, but its file can, for what a
process wrote into a mapped page stays when the process dies. Whoever finds the file of a dead
worker (the lock on it is free) puts what was never marked back into the queue, at once; only what
was marked is in doubt.

A machine that loses power loses the marks with the page: the file names the boot it was written in,
and one of another boot, or none, leaves the judgement to the leases, as in doubt.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from core.domain.ids import MessageId

_MAGIC: Final = b"carteiro-postings-1"
_HEAD: Final = struct.Struct(">32s64s128s")
_MARK: Final = struct.Struct(">16sI")
_SUFFIX: Final = ".postings"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")

Mark = tuple[MessageId, int]
"""A message and the attempt number of its claim."""


class PostingJournal:
    """This worker's marks; one slot a message, free again once its outcome is recorded."""

    def __init__(self, folder: Path, *, worker: str, slots: int) -> None:
        """Make the file, locked as long as this process lives. `worker` is the name in claims."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{worker}{_SUFFIX}"
        growing = self.path.with_suffix(".new")
        self._file = growing.open("w+b")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._reserve(slots)
        self._map = mmap.mmap(self._file.fileno(), 0)
        _HEAD.pack_into(self._map, 0, _MAGIC, boot_id(), worker.encode())
        self._free = list(range(slots))
        self._slots: dict[Mark, int] = {}
        # Nobody may see it before it is locked and has its head.
        growing.rename(self.path)

    def mark(self, message_id: MessageId, attempt_no: int) -> None:
        """To be called before the first byte of a message leaves.

        A kill in the middle leaves half a mark, which names no message; its bytes never left.
        """
        key = (message_id, attempt_no)
        if key in self._slots:
            return
        if not self._free:
            self._grow()
        slot = self._slots[key] = self._free.pop()
        _MARK.pack_into(self._map, _HEAD.size + slot * _MARK.size, message_id.bytes, attempt_no)

    def _grow(self) -> None:
        """Twice the slots: a database that stayed away left marks that must not be forgotten."""
        taken = len(self._slots)
        self._map.resize(self._reserve(2 * taken))
        self._free.extend(range(taken, 2 * taken))

    def _reserve(self, slots: int) -> int:
        """The file's size for so many slots, which the disk has given us: a page that it could not
        hold would kill the process when it is written. Raises OSError when the disk is full.
        """
        size = _HEAD.size + slots * _MARK.size
        os.posix_fallocate(self._file.fileno(), 0, size)
        return size

    def release(self, marks: Iterable[Mark]) -> None:
        """Forget marks whose outcomes are committed. The bytes stay until the slot is used anew."""
        for mark in marks:
            slot = self._slots.pop(mark, None)
            if slot is not None:
                self._free.append(slot)

    def close(self) -> None:
        """Let go of the file, and delete it unless something marked was never recorded."""
        if not self._slots:
            self.path.unlink(missing_ok=True)
        self._map.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """What a dead worker left: its name in claims and all it may have posted."""

    path: Path
    worker: str
    marks: list[Mark]

    def close(self) -> None:
        """Delete the file: everything in it is settled."""
        self.path.unlink(missing_ok=True)


def find_estates(folder: Path) -> Iterator[Estate]:
    """The files of workers that live no more; each is ours alone until the next one is asked for.

    A file of another boot, or one that cannot be read, is deleted: the leases must judge.
    """
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # it lives
            estate = _read(path, file.read())
            if estate is None:
                path.unlink(missing_ok=True)
            elif path.exists():
                yield estate


def boot_id() -> bytes:
    """This boot of this machine; without one (no Linux) files are never trusted."""
    try:
        return _BOOT.read_bytes().strip()
    except OSError:
        return os.urandom(16)


def _read(path: Path, raw: bytes) -> Estate | None:
    if len(raw) < _HEAD.size:
        return None
    magic, boot, worker = (part.rstrip(b"\0") for part in _HEAD.unpack_from(raw))
    if magic != _MAGIC or boot != boot_id():
        return None
    body = raw[_HEAD.size :]
    whole = body[: len(body) - len(body) % _MARK.size]
    marks = [
        (MessageId(UUID(bytes=message_id)), attempt_no)
        for message_id, attempt_no in _MARK.iter_unpack(whole)
        if any(message_id)
    ]
    return Estate(path=path, worker=worker.decode(), marks=marks)
