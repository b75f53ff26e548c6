"""What every slice makes its routes with: found quickly, and never without a count of requests."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.dependencies.utils import get_dependant
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from api.deps import limit_strangers, needs_caller


class Served(APIRoute):
    """A route that asks for a credential, or counts its callers by their address."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """As FastAPI's own."""
        if not needs_caller(get_dependant(path=path, call=endpoint)):
            # Before the route's own dependencies, and before its body is looked at.
            options["dependencies"] = [Depends(limit_strangers), *options.get("dependencies", ())]
        super().__init__(path, endpoint, **options)
        self._beginning = self.path_format.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        # Of 140 routes one is meant: an expression and a scope for each of the others, twice, took
        # a fifth of a read's CPU (2026-11-24). Behind a root path the beginning is another.
        if not scope.get("root_path") and not scope["path"].startswith(self._beginning):
            return Match.NONE, {}
        return super().matches(scope)


class SliceRouter(APIRouter):
    """The routes of one slice."""

    def __init__(self, **options: Any) -> None:
        """As FastAPI's own."""
        super().__init__(route_class=Served, **options)


def serve(app: FastAPI, router: APIRouter) -> None:
    """Add the routes of a slice.

    `include_router` would keep them in a tree that is searched twice for every request. Raises
    TypeError for a route that was not made with a SliceRouter: nobody would count its callers.
    """
    for route in router.routes:
        if not isinstance(route, Served):
            raise TypeError(f"{route} is made with another router than SliceRouter")
        app.router.routes.append(route)
