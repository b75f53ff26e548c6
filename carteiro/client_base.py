"""What every call of the generated client goes through; `client_writer` copies it into the file."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

TRIES: Final = 4
#: A server that asks for more patience than this gets its answer raised.
LONGEST_WAIT_SECONDS: Final = 60.0
_PASSING: Final = frozenset({429, 503})


class ApiError(Exception):
    """A problem that the API answered (RFC 9457): decide by `code`."""

    def __init__(self, response: httpx.Response) -> None:
        """Reads the body; a proxy's answer has none that is ours."""
        is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
        body: Mapping[str, Any] = response.json() if is_problem else {}
        self.status: int = response.status_code
        self.code: str = str(body.get("code", "unknown"))
        self.detail: str = str(body.get("detail", response.reason_phrase))
        self.advice: str = str(body.get("advice", ""))
        self.errors: list[dict[str, str]] = list(body.get("errors", ()))
        self.request_id: str = response.headers.get("x-request-id", "")
        self.body: Mapping[str, Any] = body
        super().__init__(f"{self.status} {self.code}: {self.detail}")


class BaseClient:
    """Sends, tries again where nothing was done, and raises ApiError. Not for several threads.

    `last` is the newest answer, for its headers: `client.last.headers["etag"]` for `if_match`.
    """

    def __init__(
        self,
        base_url: str,
        credential: str,
        *,
        timeout_seconds: float = 30.0,
        tries: int = TRIES,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`credential` is an API key or an access token."""
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {credential}"},
            timeout=timeout_seconds,
            transport=transport,
        )
        self._tries = tries
        self._sleep = sleep
        self.last: httpx.Response | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        json: Any = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """One operation. 429 and 503 mean that nothing was done: they are tried again.

        A broken connection only where a second try has no second effect.
        """
        sent = {name: value for name, value in (headers or {}).items() if value is not None}
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        repeatable = method in {"GET", "PUT"} or "Idempotency-Key" in sent
        for left in range(self._tries - 1, -1, -1):
            try:
                response = self._http.request(
                    method, path, params=asked, headers=sent, json=json, content=content
                )
            except httpx.TransportError:
                if not left or not repeatable:
                    raise
                self._sleep(_pause(self._tries - left))
                continue
            self.last = response
            wait = _wait_of(response, self._tries - left)
            if not left or wait is None:
                break
            self._sleep(wait)
        if response.is_error:
            raise ApiError(response)
        return response

    def _pages(
        self, path: str, query: Mapping[str, Any], headers: Mapping[str, str | None] | None = None
    ) -> Iterator[Any]:
        """Every item of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self._call("GET", path, query={**query, "cursor": cursor}, headers=headers)
            body = page.json()
            yield from body["items"]
            cursor = body["next_cursor"]
            if cursor is None:
                return


def _wait_of(response: httpx.Response, tried: int) -> float | None:
    """Seconds until the next try; None when there should be none."""
    if response.status_code not in _PASSING:
        return None
    asked = response.headers.get("retry-after", "")
    wait = float(asked) if asked.isdigit() else _pause(tried)
    return wait if wait <= LONGEST_WAIT_SECONDS else None


def _pause(tried: int) -> float:
    return float(0.5 * 2**tried)


def part(identifier: str) -> str:
    """An id as a part of an address, whatever is in it."""
    return quote(identifier, safe="")


def new_key() -> str:
    """An Idempotency-Key: made once a call, so that all its tries are one request."""
    return str(uuid.uuid4())
