"""The pages that show the OpenAPI document, from files of our own: /docs and /reference.

The document is written out once, squeezed once, and has a tag: a reload costs 304. Everything here
counts for the class `page`, so that nobody can keep the API busy with its largest answer.
"""

import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable
from functools import cached_property
from importlib.resources import files
from typing import Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from api.deps import api_state, limit_by_address
from api.further_headers import add_header
from api.rate_limits import LimitClass
from api.security_headers import DOCS_POLICY

DOCUMENT: Final = "/openapi.json"
_STATIC: Final = "/docs/static"
#: The files change with a release only; the document may change with a deploy of the same day.
_KEEP_FILES: Final = "public, max-age=3600"
_KEEP_DOCUMENT: Final = "public, no-cache"


def install_docs(app: FastAPI) -> None:
    """Serve the document, /docs (Swagger UI, to try things) and /reference (Redoc, to read)."""
    app.mount(_STATIC, _Files(), name="docs-static")
    document = _Document(app)

    async def docs(request: Request) -> Response:
        root = _root(request)
        return get_swagger_ui_html(
            openapi_url=f"{root}{DOCUMENT}",
            title=app.title,
            swagger_js_url=f"{root}{_STATIC}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_STATIC}/swagger-ui.css",
            swagger_favicon_url=f"{root}{_STATIC}/favicon.png",
        )

    async def reference(request: Request) -> Response:
        root = _root(request)
        return get_redoc_html(
            openapi_url=f"{root}{DOCUMENT}",
            title=f"{app.title}: reference",
            redoc_js_url=f"{root}{_STATIC}/redoc.standalone.js",
            redoc_favicon_url=f"{root}{_STATIC}/favicon.png",
            with_google_fonts=False,
        )

    app.add_route("/docs", _page(docs), include_in_schema=False)
    app.add_route("/reference", _page(reference), include_in_schema=False)
    app.add_route(DOCUMENT, document.answer, include_in_schema=False)


def _page(
    make: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        await limit_by_address(request, await api_state(request), LimitClass.PAGE)
        answer = await make(request)
        answer.headers["Content-Security-Policy"] = DOCS_POLICY
        return answer

    return page


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


class _Document:
    """The document as bytes, made when somebody first asks."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @cached_property
    def _plain(self) -> bytes:
        return json.dumps(self._app.openapi(), ensure_ascii=False, separators=(",", ":")).encode()

    @cached_property
    def _squeezed(self) -> bytes:
        return gzip.compress(self._plain, 6, mtime=0)

    @cached_property
    def _tag(self) -> str:
        return hashlib.sha256(self._plain).hexdigest()[:24]

    async def answer(self, request: Request) -> Response:
        """The document, squeezed for who takes that; 304 for who has it."""
        await limit_by_address(request, await api_state(request), LimitClass.PAGE)
        squeezed = "gzip" in request.headers.get("accept-encoding", "")
        # Two forms of one thing have two tags (RFC 9110, 8.8.1).
        tag = f'"{self._tag}{"-gzip" if squeezed else ""}"'
        headers = {"ETag": tag, "Cache-Control": _KEEP_DOCUMENT, "Vary": "Accept-Encoding"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if squeezed:
            headers["Content-Encoding"] = "gzip"
        body = self._squeezed if squeezed else self._plain
        return Response(body, media_type="application/json", headers=headers)


class _Files:
    """The scripts and styles of both pages, from a wheel."""

    def __init__(self) -> None:
        self._files = StaticFiles(directory=str(files("fastapi_offline") / "static"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            await limit_by_address(request, await api_state(request), LimitClass.PAGE)
            add_header(scope, b"cache-control", _KEEP_FILES.encode())
        await self._files(scope, receive, send)
