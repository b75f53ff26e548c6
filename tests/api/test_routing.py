"""How a route is found, and that none is served without a count of who asks."""

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from api.routing import SliceRouter, serve


def test_a_route_made_with_another_router_is_refused() -> None:
    async def uncounted() -> None:
        return None

    router = APIRouter()
    router.add_api_route("/v1/uncounted", uncounted)
    with pytest.raises(TypeError, match="SliceRouter"):
        serve(FastAPI(), router)


@pytest.mark.parametrize("root_path", ["", "/messaging"])
async def test_routes_are_found_with_and_without_a_root_path(root_path: str) -> None:
    app = FastAPI()
    router = SliceRouter(prefix="/v1")

    async def show(thing_id: str) -> dict[str, str]:
        return {"thing": thing_id}

    async def make() -> None:
        return None

    # What follows can't be counted: this app has no state.
    for path, endpoint, method in (("/things/{thing_id}", show, "GET"), ("/things", make, "POST")):
        router.add_api_route(path, endpoint, methods=[method])
        router.routes[-1].dependant.dependencies.clear()  # type: ignore[attr-defined]
    serve(app, router)
    transport = httpx.ASGITransport(app=app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://x{root_path}") as client:
        assert (await client.get("/v1/things/7")).json() == {"thing": "7"}
        assert (await client.post("/v1/things")).status_code == 200
        assert (await client.get("/v1/things")).status_code == 405
        assert (await client.get("/v1/thing/7")).status_code == 404
