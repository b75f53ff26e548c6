"""Who answers a send on the short way: the sandbox with all its books, or a bare responder."""

import secrets

import orjson

from sandbox.acceptance import Sandbox
from sandbox.answers import (
    HTML,
    NEWEST_VERSION,
    OUTAGE_PAGE,
    error_code_of,
    meta_headers,
    response_bytes,
)
from sandbox.config import AnswerFault
from sandbox.errors import GraphError
from sandbox.express import Head, Spoiled
from sandbox.graph import GraphRequest
from sandbox.messages import post_message

_TRACE_PLACE = "A" + "0" * 20
_PARTS_KEPT = 1024


class Desk:
    """Answers sends with everything the sandbox does: checks, limits, faults, ledger, statuses."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._trace_prefix = secrets.token_hex(5)
        self._calls = 0
        self._heads: dict[tuple[str, str], list[bytes]] = {}

    def __call__(self, head: Head, body: bytes) -> bytes | Spoiled:
        """Answer one send; never raises what a client can cause."""
        sandbox = self._sandbox
        self._calls += 1
        trace_id = f"A{self._trace_prefix}{self._calls:010x}"
        version = head.version or NEWEST_VERSION
        try:
            token = sandbox.world.authorise(head.token, sandbox.clock.now_ms())
            request = GraphRequest(
                version=version,
                method="POST",
                node=head.number_id,
                edge="messages",
                query={},
                body=body,
                content_type="application/json",
                base_url="",
                token=token,
            )
            answer = post_message(sandbox, request)
        except GraphError as error:
            return self._refusal(error, version, trace_id)
        if answer.fault is None or answer.fault is AnswerFault.SLOW_ACCEPTED:
            response = self._response(version, answer.waba_id or "", trace_id, answer.content)
            if answer.fault is None:
                return response
            return Spoiled(after_seconds=sandbox.faults.config.slow_seconds, response=response)
        return self._spoiled(answer.fault, version, trace_id)

    def _response(self, version: str, waba_id: str, trace_id: str, content: object) -> bytes:
        """Like `response_bytes`, with all that two answers of one account have in common kept."""
        parts = self._heads.get((version, waba_id))
        if parts is None:
            headers = meta_headers(version, _TRACE_PLACE, waba_id)
            whole = response_bytes(200, headers, b"")
            start, _, _ = whole.rpartition(b"content-length")
            parts = start.split(_TRACE_PLACE.encode())
            self._heads[version, waba_id] = parts
        body = orjson.dumps(content)
        head = trace_id.encode().join(parts)
        return b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body)

    def _refusal(self, error: GraphError, version: str, trace_id: str) -> bytes:
        status = self._sandbox.refuse(error)
        headers = meta_headers(
            version, trace_id, error.waba_id, regain_minutes=error.regain_minutes
        )
        if status == 401:
            headers.append((b"www-authenticate", b'OAuth "Facebook Platform" "invalid_token"'))
        return response_bytes(status, headers, orjson.dumps(error.envelope(trace_id)))

    def _spoiled(self, fault: AnswerFault, version: str, trace_id: str) -> bytes | Spoiled:
        code = error_code_of(fault)
        if code is not None:
            error = GraphError(code)
            content = orjson.dumps(error.envelope(trace_id))
            return response_bytes(error.http_status, meta_headers(version, trace_id, None), content)
        match fault:
            case AnswerFault.HTML_ACCEPTED | AnswerFault.HTML_UNACCEPTED:
                return response_bytes(502, [(b"content-type", HTML)], OUTAGE_PAGE)
            case AnswerFault.TRUNCATED_ACCEPTED | AnswerFault.TRUNCATED_UNACCEPTED:
                return Spoiled(response=self._torn(version, trace_id), cut=True)
            case AnswerFault.HANG_ACCEPTED | AnswerFault.HANG_UNACCEPTED:
                return Spoiled(after_seconds=self._sandbox.faults.config.hang_seconds, cut=True)
            case _:
                return Spoiled(cut=True)

    def _torn(self, version: str, trace_id: str) -> bytes:
        """Half of a JSON answer under a content-length that promises the whole."""
        body = b'{"messaging_product":"whatsapp","contacts":[{"input":"+'
        headers = meta_headers(version, trace_id, None)
        whole = response_bytes(200, headers, body + b" " * 150)
        return whole[:-150]


class BareDesk:
    """Answers every send with 200 and a message id of its own; keeps no book and posts nothing.

    It tells how fast a sender can be, not whether it is right.
    """

    def __init__(self) -> None:
        self.answered = 0
        self._prefix = secrets.token_hex(6).upper()
        self._waba_head = response_bytes(200, meta_headers("v26.0", _TRACE_PLACE, "1"), b"")[:-5]

    def __call__(self, head: Head, body: bytes) -> bytes | Spoiled:
        """Answer one send."""
        del head
        self.answered += 1
        try:
            to = orjson.loads(body).get("to", "")
        except (orjson.JSONDecodeError, AttributeError):
            to = ""
        content = orjson.dumps(
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": to, "wa_id": to.removeprefix("+")}],
                "messages": [
                    {
                        "id": f"wamid.{self._prefix}{self.answered:012X}",
                        "message_status": "accepted",
                    }
                ],
            }
        )
        return b"%s%d\r\n\r\n%s" % (self._waba_head, len(content), content)
