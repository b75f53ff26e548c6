"""The pages that show the document: whole without any other server, and never a load."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from api.app import create_app
from core.settings import Settings
from tests.api.conftest import running

PAGES = ("/docs", "/reference")


@pytest.mark.parametrize("address", PAGES)
async def test_a_page_names_files_of_our_own_and_no_other(
    anonymous: httpx.AsyncClient, address: str
) -> None:
    page = await anonymous.get(address)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "/openapi.json" in page.text
    named = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(named) >= 2
    for file in named:
        assert file.startswith("/docs/static/"), file
        kept = await anonymous.get(file)
        assert (kept.status_code, len(kept.content) > 500) == (200, True)
        assert kept.headers["cache-control"] == "public, max-age=3600"
    assert not re.search(r"https?://(?!www\.w3\.org)", page.text)


@pytest.mark.parametrize("address", PAGES)
async def test_a_page_may_run_its_own_scripts_and_reach_its_own_address_only(
    anonymous: httpx.AsyncClient, address: str
) -> None:
    policy = (await anonymous.get(address)).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'unsafe-inline'")
    assert "connect-src 'self'" in policy
    assert "http" not in policy


async def test_the_document_is_the_same_in_both_forms_and_is_not_sent_twice(
    anonymous: httpx.AsyncClient,
) -> None:
    forms = {
        form: await anonymous.get("/openapi.json", headers={"Accept-Encoding": form})
        for form in ("identity", "gzip")
    }
    plain, squeezed = forms["identity"], forms["gzip"]
    assert plain.json() == squeezed.json()
    assert plain.json()["openapi"].startswith("3.1")
    assert (plain.headers.get("content-encoding"), squeezed.headers["content-encoding"]) == (
        None,
        "gzip",
    )
    assert int(squeezed.headers["content-length"]) * 5 < int(plain.headers["content-length"])
    assert plain.headers["etag"] != squeezed.headers["etag"]
    for form, answer in forms.items():
        seen = {"Accept-Encoding": form, "If-None-Match": answer.headers["etag"]}
        again = await anonymous.get("/openapi.json", headers=seen)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == answer.headers["etag"]


@pytest.fixture
async def tight(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    changed = settings.model_copy(update={"rate_limits": "page=3/60,anonymous=2/60"})
    async with running(create_app(changed)) as client:
        yield client


async def test_pages_have_a_limit_that_nothing_else_uses_up(tight: httpx.AsyncClient) -> None:
    assert [(await tight.get("/problems")).status_code for _ in range(3)] == [200, 200, 429]
    paths = ("/docs", "/docs/static/favicon.png", "/openapi.json", "/reference")
    answers = [await tight.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit"].startswith('"page";r=2;')
    assert answers[3].json()["code"] == "rate-limited"
    assert int(answers[3].headers["retry-after"]) >= 1
