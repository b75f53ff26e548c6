"""A small client of the tenant API: what a tenant's own program would write."""

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from core.errors import CarteiroError

#: A JSON object as it came; the story reads it, the API has typed it.
Json = dict[str, Any]


class DemoFailed(CarteiroError):
    """A step of the story did not do what it promises; the message says which and why."""

    code = "demo-failed"


class TenantClient:
    """One tenant's view of the API: an API key and JSON in and out.

    Raises DemoFailed with the problem's title, detail and advice on any answer but 2xx.
    """

    def __init__(self, base_url: str, api_key: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=120)
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, **params: str) -> Json:
        """GET a JSON object."""
        return await self._call("GET", path, params=params)

    async def post(
        self, path: str, body: Json | None = None, *, idempotency_key: str | None = None
    ) -> Json:
        """POST a JSON object and return the answer."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return await self._call("POST", path, json=body, headers=headers)

    async def upload_csv(self, path: str, file: Path, **params: str) -> Json:
        """Stream a CSV file into an import."""
        with file.open("rb") as content:
            return await self._call(
                "POST", path, params=params, data=content, headers={"Content-Type": "text/csv"}
            )

    async def download(self, path: str, target: Path) -> Path:
        """Save what a GET answers as a file."""
        async with self._opened.get(self._base_url + path) as answer:
            await _refuse_problem("GET", path, answer)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(await answer.read())
        return target

    async def wait_for(
        self, path: str, field: str, wanted: set[str], *, failed: set[str], seconds: float = 60
    ) -> Json:
        """Poll an object until `field` has one of the wanted values.

        Raises DemoFailed when it takes one of the failed ones or the time is up.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = await self.get(path)
            if found[field] in wanted:
                return found
            if found[field] in failed or time.monotonic() > deadline:
                reason = found.get("status_reason")
                raise DemoFailed(f"{path}: {field} is {found[field]} ({reason})")
            await asyncio.sleep(0.15)

    async def _call(self, method: str, path: str, **request: object) -> Json:
        async with self._opened.request(method, self._base_url + path, **request) as answer:  # type: ignore[arg-type]
            await _refuse_problem(method, path, answer)
            found: Json = await answer.json()
            return found

    @property
    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise DemoFailed("the client is used outside its `async with`")
        return self._session


async def _refuse_problem(method: str, path: str, answer: aiohttp.ClientResponse) -> None:
    if answer.status < 400:
        return
    text = (await answer.text())[:600]
    raise DemoFailed(f"{method} {path} answered {answer.status}: {text}")
