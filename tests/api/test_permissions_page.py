"""docs/permissions.md says what the roles and the routes say."""

from pathlib import Path

from fastapi import FastAPI

from api.permissions import permissions_page

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"


async def test_the_page_shows_what_roles_and_routes_say(app: FastAPI) -> None:
    assert PAGE.read_text("utf-8") == permissions_page(app), (
        "run `python -m api.permissions > docs/permissions.md`"
    )
