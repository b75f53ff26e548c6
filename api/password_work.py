"""Password hashing, a few at a time: each takes 64 MiB and a tenth of a second of a core."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from api.problems import Problem
from core.passwords import hash_password, password_matches

_AT_ONCE: Final = 2
#: About a second and a half of waiting on two cores; who comes later is told so at once.
_MOST_WAITING: Final = 24
_RETRY_SECONDS: Final = 2
_Result = TypeVar("_Result")


class PasswordWork:
    """Hashes and checks passwords in threads; refuses work rather than let it pile up."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; as slow for nobody's (None). Raises Problem when too busy."""
        return await self._run(lambda: password_matches(stored, password))

    async def hash(self, password: str) -> str:
        """The hash to store. Raises Problem when too busy."""
        return await self._run(lambda: hash_password(password))

    async def _run(self, work: Callable[[], _Result]) -> _Result:
        async with self._queued(), self._slots:
            return await asyncio.to_thread(work)

    @asynccontextmanager
    async def _queued(self) -> AsyncIterator[None]:
        if self._waiting >= _MOST_WAITING + _AT_ONCE:
            raise Problem(
                "unavailable",
                "too many people are signing in at this moment",
                headers={"Retry-After": str(_RETRY_SECONDS)},
            )
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
