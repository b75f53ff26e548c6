"""What stands around every request: whose address it is, its name, and what browsers are told."""

import httpx
import pytest

from api.app import create_app
from core.settings import Settings
from tests.api.conftest import Account, running
from tests.api.test_server import served
from tests.api.test_webhook_landing import URL, signed

NAME = "019ab3f2-c7a0-7c3e-9d5b-1f0a6e4d2c11"
ORIGIN = "https://app.shop.example.com"


async def test_every_answer_tells_browsers_to_show_and_run_nothing_of_it(
    api: httpx.AsyncClient,
) -> None:
    answers = [
        await api.get("/v1/tenant"),
        await api.get("/v1/tenant", headers={"Authorization": "Bearer no"}),
        await api.get("/nothing/here"),
        await api.put("/v1/tenant"),
        await api.get("/health/live"),
        await api.post(URL, content=b"[1]", headers=signed(b"[1]")),
        await api.post(URL, content=b"[1]"),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 405, 200, 200, 401]
    for answer in answers:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "strict-transport-security" not in answer.headers
    docs = await api.get("/docs")
    # The page of the documentation runs our own scripts and asks our own address.
    assert "script-src 'self'" in docs.headers["content-security-policy"]
    secure = await api.get("https://api.test/v1/tenant")
    assert secure.headers["strict-transport-security"].startswith("max-age=63072000")


async def test_a_caller_may_name_the_request_and_its_audit_entry_has_the_name(
    api: httpx.AsyncClient,
) -> None:
    named = await api.patch("/v1/tenant", json={"name": "A"}, headers={"X-Request-Id": NAME})
    assert named.headers["x-request-id"] == NAME
    [entry, *_] = (await api.get("/v1/audit")).json()["items"]
    assert (entry["operation"], entry["request_id"]) == ("change_tenant", NAME)
    error = await api.get("/v1/nothing", headers={"X-Request-Id": NAME.upper()})
    assert error.json()["request_id"] == NAME


@pytest.mark.parametrize(
    "name", ["", "1", "x" * 5_000, NAME[:-1], NAME + "0", f"{NAME}\t", "{" + NAME + "}", "é" * 36]
)
async def test_a_name_that_is_no_uuid_is_not_taken_over(api: httpx.AsyncClient, name: str) -> None:
    answer = await api.get("/v1/tenant", headers={b"X-Request-Id": name.encode("latin-1")})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"].strip() not in {name, NAME}
    twice = [("X-Request-Id", NAME), ("X-Request-Id", NAME)]
    assert (await api.get("/v1/tenant", headers=twice)).headers["x-request-id"] != NAME


async def test_nobody_has_another_address_for_saying_so_but_a_trusted_proxy_s_word_counts(
    settings: Settings, tenant: Account
) -> None:
    async def codes(port: int, *forwarded: str) -> list[int]:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            return [
                (
                    await client.get(
                        "/problems",
                        headers={"X-Forwarded-For": each, "X-Real-IP": each, "Forwarded": each},
                    )
                ).status_code
                for each in forwarded
            ]

    tight = {"rate_limits": "anonymous=2/60"}
    others = ["198.51.100.1", "198.51.100.2", "198.51.100.3"]
    async with served(settings, **tight) as port:
        assert await codes(port, *others) == [200, 200, 429]
    async with served(settings, **tight, trusted_proxies="10.0.0.0/8") as port:
        assert await codes(port, *others) == [200, 200, 429]
    async with served(settings, **tight, trusted_proxies="127.0.0.1/32") as port:
        assert await codes(port, *others) == [200, 200, 200]
        # Only what our own proxy has added counts: the last address, whatever stands before it.
        lies = [f"203.0.113.{n}, 198.51.100.9" for n in range(3)]
        assert await codes(port, *lies) == [200, 200, 429]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            live = await client.get("/health/live", headers={"X-Forwarded-Proto": "https"})
            assert "strict-transport-security" in live.headers
    async with served(settings) as port, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}/health/live"
        live = await client.get(url, headers={"X-Forwarded-Proto": "https"})
        assert "strict-transport-security" not in live.headers
        assert "server" not in live.headers


async def test_browsers_of_other_origins_are_let_in_only_by_name(
    settings: Settings, tenant: Account
) -> None:
    asks = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, if-match",
    }
    async with running(create_app(settings)) as client:
        assert (await client.options("/v1/tenant", headers=asks)).status_code == 405
        live = await client.get("/health/live", headers={"Origin": ORIGIN})
        assert "access-control-allow-origin" not in live.headers
    named = settings.model_copy(update={"cors_origins": ORIGIN})
    async with running(create_app(named)) as client:
        allowed = await client.options("/v1/tenant", headers=asks)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-credentials" not in allowed.headers
        live = await client.get("/health/live", headers={"Origin": ORIGIN})
        assert live.headers["access-control-allow-origin"] == ORIGIN
        assert "RateLimit" in live.headers["access-control-expose-headers"]
        foreign = asks | {"Origin": "https://evil.example.com"}
        refused = await client.options("/v1/tenant", headers=foreign)
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cors_origins", "*"),
        ("cors_origins", "https://a.example.com/path"),
        ("cors_origins", "null"),
        ("trusted_proxies", "*"),
        ("trusted_proxies", "proxy.example.com"),
    ],
)
def test_an_edge_that_trusts_everybody_cannot_be_set(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        Settings.model_validate({name: value})
