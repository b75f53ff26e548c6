"""Access tokens: what isn't exactly one of ours opens nothing, and nobody is asked about it."""

import base64
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from core.domain.ids import new_id
from core.secrets import jwt_private_key_pem
from core.store import tenants
from core.store.signing_keys import key_id, public_jwk
from tests.api.conftest import Account
from tests.api.test_authentication import log_in, make_user

Admin = psycopg.Connection[tuple[object, ...]]


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    head, body, _ = token.split(".")
    header, payload = (json.loads(base64.urlsafe_b64decode(f"{part}==")) for part in (head, body))
    return header, payload


def signed(header: object, payload: object, key: OKPKey | None = None) -> str:
    """A token with a good signature over whatever it says; texts are taken as they are."""
    raw = [part if isinstance(part, str) else json.dumps(part) for part in (header, payload)]
    signing = ".".join(text(part.encode()) for part in raw)
    private = (key or OKPKey.import_key(jwt_private_key_pem())).private_key
    assert isinstance(private, Ed25519PrivateKey)
    return f"{signing}.{text(private.sign(signing.encode()))}"


@pytest.fixture
async def good(anonymous: httpx.AsyncClient, operator: tenants.Connection, tenant: Account) -> str:
    """An access token as a person gets it."""
    make_user(operator, tenant)
    return str((await log_in(anonymous)).json()["access_token"])


@pytest.fixture
def status(anonymous: httpx.AsyncClient) -> Callable[[str], Any]:
    async def ask(value: str) -> int:
        headers = {"Authorization": f"Bearer {value}"}
        return (await anonymous.get("/v1/tenant", headers=headers)).status_code

    return ask


async def test_a_token_says_who_and_in_which_session_and_nothing_of_what_is_allowed(
    good: str, tenant: Account, status: Callable[[str], Any]
) -> None:
    header, payload = parts_of(good)
    kid = key_id(public_jwk(jwt_private_key_pem()))
    assert header == {"alg": "Ed25519", "kid": kid, "typ": "at+jwt"}
    assert set(payload) == {"iss", "aud", "sub", "tid", "sid", "iat", "nbf", "exp", "jti"}
    assert payload["exp"] - payload["iat"] == 900
    assert payload["tid"] == str(tenant.tenant_id)
    assert await status(good) == 200
    assert await status(signed(header, payload)) == 200


async def test_forged_headers_are_refused_without_a_connection_to_anybody(
    good: str, status: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    header, payload = parts_of(good)
    attacker = OKPKey.generate_key("Ed25519")
    own = attacker.as_dict(private=False)
    public = OKPKey.import_key(jwt_private_key_pem()).as_pem(private=False)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    there = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
    hs256 = header | {"alg": "HS256"}
    confused = [
        jws.serialize_compact(hs256, json.dumps(payload), OctKey.import_key(secret), ["HS256"])
        for secret in (base64.b64encode(public), text(public))
    ]
    body, signature = good.split(".")[1:]
    none = [text(json.dumps(header | {"alg": alg}).encode()) for alg in ("none", "None", "nOnE")]
    extra: list[dict[str, object]] = [
        {"jku": there},
        {"x5u": there},
        {"jwk": own},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"kid": "other"},
        {"kid": "../../../../dev/null"},
        {"kid": "x' or '1'='1"},
        {"kid": None},
        {"kid": ["a"]},
        {"typ": "rt+jwt"},
        {"typ": "JWT"},
        {"alg": "EdDSA"},
        {"alg": ["Ed25519"]},
    ]
    forged = [
        *confused,
        *(f"{head}.{body}." for head in none),
        *(f"{head}.{body}.{signature}" for head in none),
        *(signed(header | more, payload) for more in extra),
        *(signed(header | more, payload, attacker) for more in [{}, *extra]),
        signed({name: header[name] for name in ("alg", "typ")}, payload),
        signed(json.dumps(header)[:-1] + ', "alg": "Ed25519"}', payload),
        signed("[]", payload),
        signed("{" * 400, payload),
    ]

    def nobody(*_arguments: object) -> NoReturn:
        raise AssertionError("a token made us resolve a name")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    assert [await status(value) for value in forged] == [401] * len(forged)
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()
    assert await status(good) == 200


async def test_claims_that_are_not_for_us_are_refused_though_the_signature_is_good(
    good: str, other: Account, status: Callable[[str], Any]
) -> None:
    header, payload = parts_of(good)
    now = int(time.time())
    changes: list[dict[str, object]] = [
        {"iss": "else"},
        {"aud": "else"},
        {"aud": ["carteiro-api", "else"]},
        {"exp": now - 61, "iat": now - 900},
        {"nbf": now + 62},
        {"iat": now + 62, "exp": now + 800},
        {"exp": now + 86_400},
        {"exp": str(now + 600)},
        {"exp": now + 600.5},
        {"exp": True},
        {"exp": None},
        {"tid": "not a uuid"},
        {"tid": 7},
        {"tid": str(other.tenant_id)},
        {"sub": str(new_id())},
        {"sid": str(new_id())},
        {"role": "owner"},
        {"scope": "tenant:manage"},
    ]
    forged = [signed(header, payload | change) for change in changes]
    forged += [
        signed(header, {key: payload[key] for key in payload if key != name}) for name in payload
    ]
    twice = json.dumps(payload)[:-1]
    forged += [
        signed(header, twice + f', "sub": "{new_id()}"}}'),
        signed(header, twice + f', "exp": {now + 600}}}'),
        signed(header, "null"),
        signed(header, "[" * 2_000),
        signed(header, json.dumps(payload | {"jti": "x" * 4_000})),
    ]
    assert [await status(value) for value in forged] == [401] * len(forged)
    within_leeway = {"exp": now - 30, "nbf": now + 30, "iat": now - 800}
    assert await status(signed(header, payload | within_leeway)) == 200


async def test_one_token_is_written_in_one_way_only(
    good: str, status: Callable[[str], Any]
) -> None:
    head, body, signature = good.split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 64 bytes leave four bits of the last letter over.
    last = alphabet[alphabet.index(signature[-1]) ^ 1]
    variants = [
        f"{head}.{body}.{signature}=",
        f"{head}.{body}.{signature}==",
        f"{head}=.{body}.{signature}",
        f"{head}.{body}.{signature[:-1]}{last}",
        f"{head}.{body}.{signature[:-2]}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature}.{signature}",
        f".{head}.{body}.{signature}",
        good.replace("-", "+").replace("_", "/") + "+",
        f"{head}. {body}.{signature}",
        f"{head}.{body[:20]}%0a{body[20:]}.{signature}",
    ]
    assert [await status(value) for value in variants] == [401] * len(variants)
    assert await status(good) == 200


async def test_a_refresh_token_is_no_access_token_and_the_other_way_round(
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
    status: Callable[[str], Any],
) -> None:
    make_user(operator, tenant)
    tokens = (await log_in(anonymous)).json()
    assert await status(tokens["refresh_token"]) == 401
    for wrong in (tokens["access_token"], tenant.api_key, "x", "ctr_invite_" + "A" * 92):
        answer = await anonymous.post("/v1/token/refresh", json={"refresh_token": wrong})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), wrong[:12]


async def test_an_expired_token_of_a_living_session_is_refused(
    good: str, status: Callable[[str], Any]
) -> None:
    header, payload = parts_of(good)
    ago = int((datetime.now(UTC) - timedelta(minutes=20)).timestamp())
    old = payload | {"iat": ago, "nbf": ago, "exp": ago + 900}
    assert await status(signed(header, old)) == 401
