"""The pages that show the OpenAPI document, from files of our own: /docs and /reference."""

from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from api.security_headers import DOCS_POLICY

_STATIC: Final = "/docs/static"


def install_docs(app: FastAPI) -> None:
    """Serve /docs from files of our own."""
    app.mount(_STATIC, StaticFiles(directory=str(_static_folder())), name="docs-static")

    async def docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "").rstrip("/")
        page = get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{root}{_STATIC}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_STATIC}/swagger-ui.css",
            swagger_favicon_url=f"{root}{_STATIC}/favicon.png",
        )
        page.headers["Content-Security-Policy"] = DOCS_POLICY
        return page

    app.add_route("/docs", docs, include_in_schema=False)


def _static_folder() -> Any:
    return files("fastapi_offline") / "static"
