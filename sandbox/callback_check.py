"""The handshake that Meta does before it believes in a callback."""

import secrets

import aiohttp

from sandbox.errors import GraphError

_TIMEOUT_SECONDS = 10.0


async def verify_callback(url: str, verify_token: str) -> None:
    """GET the callback with a challenge; raises 2200 unless it comes back with status 200."""
    challenge = str(secrets.randbelow(10**10))
    query = {
        "hub.mode": "subscribe",
        "hub.challenge": challenge,
        "hub.verify_token": verify_token,
    }
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, params=query) as response,
        ):
            answer = await response.text()
            status = response.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise GraphError(2200, "The callback could not be reached") from error
    if status != 200 or answer.strip() != challenge:
        raise GraphError(2200, f"The callback answered {status} without the challenge")
