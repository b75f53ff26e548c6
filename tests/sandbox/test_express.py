"""The short way of a send: the same answers as the long one, whatever the pieces it arrives in."""

import asyncio
from collections.abc import Sequence

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.express import read_head
from tests.support.sandboxes import (
    TEMPLATE,
    Json,
    RunningSandbox,
    quick_config,
    running_sandbox,
)


def request_bytes(sandbox: RunningSandbox, to: str, *, path: str = "messages") -> bytes:
    body = orjson.dumps(
        {"messaging_product": "whatsapp", "to": to, "type": "template", "template": TEMPLATE}
    )
    head = (
        f"POST /v26.0/{sandbox.number_id}/{path} HTTP/1.1\r\nHost: here\r\n"
        f"Authorization: Bearer {sandbox.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answers_to(base_url: str, pieces: Sequence[bytes], count: int) -> list[Json]:
    """Write the pieces one after the other on one connection and read `count` JSON answers."""
    host, _, port = base_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answers = []
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        for _ in range(count):
            async with asyncio.timeout(10):
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                answers.append(orjson.loads(await reader.readexactly(length)))
    finally:
        writer.close()
    return answers


@pytest.mark.parametrize("size", [1, 7, 100, 1000, 10**6])
def test_sends_arrive_whole_whatever_the_pieces(size: int) -> None:
    with running_sandbox(quick_config()) as sandbox:
        people = [f"+551195555{i:04d}" for i in range(6)]
        # Every other request goes the long way, on the same connection.
        stream = b"".join(
            request_bytes(sandbox, to, path="messages" if i % 2 else "messages/")
            for i, to in enumerate(people)
        )
        pieces = [stream[i : i + size] for i in range(0, len(stream), size)]

        answers = asyncio.run(answers_to(sandbox.base_url, pieces, len(people)))

        assert [a["contacts"][0]["input"] for a in answers] == people
        assert sandbox.summary()["accepted_total"] == len(people)


def test_long_and_short_way_answer_alike() -> None:
    with running_sandbox(quick_config()) as sandbox:
        url = f"/v26.0/{sandbox.number_id}/messages"
        body = orjson.dumps(
            {"messaging_product": "whatsapp", "to": "+5511955550123", "type": "none"}
        )
        short = sandbox.client.post(url, content=body)
        chunked = sandbox.client.post(url, content=iter([body]))
        without_token = [
            sandbox.client.post(url, content=content, headers={"Authorization": ""})
            for content in (body, iter([body]))
        ]
        by_query = httpx.post(f"{sandbox.base_url}{url}?access_token={sandbox.token}", content=body)

    def told(response: httpx.Response) -> tuple[int, set[str], object]:
        names = set(response.headers) - {"date", "server"}
        error = {k: v for k, v in response.json()["error"].items() if k != "fbtrace_id"}
        return response.status_code, names, error

    assert told(short) == told(chunked) == told(by_query)
    assert told(without_token[0]) == told(without_token[1])
    assert without_token[0].status_code == 401


@pytest.mark.parametrize("fault", ["truncated_accepted", "truncated_unaccepted"])
def test_truncated_answer_ends_inside_its_json(fault: str) -> None:
    with running_sandbox(quick_config(faults={"answers": {fault: 1.0}})) as sandbox:
        with pytest.raises(httpx.RemoteProtocolError):
            sandbox.send_template()

        assert sandbox.summary()["accepted_total"] == int(fault.endswith("_accepted"))


def test_slow_answer_comes_late_and_later_sends_wait_for_it() -> None:
    faults = {"next": [{"answer": "slow_accepted"}], "slow_seconds": 0.05}
    with running_sandbox(quick_config(faults=faults)) as sandbox:
        stream = [request_bytes(sandbox, f"+551195555000{i}") for i in range(3)]

        answers = asyncio.run(answers_to(sandbox.base_url, [b"".join(stream)], 3))

    assert [a["contacts"][0]["input"][-1] for a in answers] == ["0", "1", "2"]


def test_bare_sandbox_answers_and_keeps_no_books() -> None:
    with running_sandbox(quick_config(), bare=True) as sandbox:
        ids = {sandbox.send_template().json()["messages"][0]["id"] for _ in range(5)}

        assert len(ids) == 5
        assert sandbox.summary()["accepted_total"] == 0


@given(
    head=st.text(alphabet="POST /messages HTTP/1.1\r\n:v26:content-length: 12", max_size=80),
    tail=st.sampled_from(["", "\r\nContent-Length: 5", "\r\nTransfer-Encoding: chunked"]),
)
def test_reading_a_head_never_fails(head: str, tail: str) -> None:
    read = read_head(f"{head}{tail}\r\n\r\n".encode())

    assert read is None or read.content_length >= 0


@pytest.mark.parametrize(
    "line",
    [
        "GET /v26.0/1/messages HTTP/1.1",
        "POST /v26.0/1/marketing_messages HTTP/1.1",
        "POST /v26.0/1/messages HTTP/1.0",
        "POST /sandbox/messages/1 HTTP/1.1",
        "POST /v26.0/1/messages HTTP/1.1\r\nExpect: 100-continue",
    ],
)
def test_only_plain_sends_go_the_short_way(line: str) -> None:
    assert read_head(f"{line}\r\nContent-Length: 2\r\n\r\n".encode()) is None
