"""POST /{phone_number_id}/messages, the message history, and media."""

import hashlib
from email.message import Message as MimePart
from email.parser import BytesParser
from typing import Final

from sandbox.acceptance import Acceptance, Sandbox
from sandbox.clock import DAY_MS, MINUTE_MS
from sandbox.errors import GraphError, object_missing
from sandbox.graph import GraphAnswer, GraphRequest
from sandbox.ledger import Message
from sandbox.listing import page
from sandbox.script import Flag, Kind
from sandbox.sending import Send, parse_body, read_send
from sandbox.world import Media, Number

_HISTORY_PAGE_MOST: Final = 100
MEDIA_LIFE_MS: Final = 30 * DAY_MS
MEDIA_URL_MS: Final = 5 * MINUTE_MS


def post_message(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """Send a message, or mark one as read and show typing."""
    number = sandbox.world.number(request.node, request.token, "POST")
    body = parse_body(request.body)
    if "status" in body:
        return _mark_read(sandbox, number, body)
    send = read_send(sandbox.world, number, body)
    acceptance = sandbox.accept(number, send)
    return GraphAnswer(
        _accepted(send, acceptance), waba_id=number.waba.id, fault=acceptance.answer_fault
    )


def post_marketing_message(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """The Marketing Messages API: the same call for templates of category marketing only."""
    number = sandbox.world.number(request.node, request.token, "POST")
    send = read_send(sandbox.world, number, parse_body(request.body))
    if send.template is None or send.template.category != "MARKETING":
        raise GraphError(131055)
    acceptance = sandbox.accept(number, send)
    return GraphAnswer(
        _accepted(send, acceptance), waba_id=number.waba.id, fault=acceptance.answer_fault
    )


def _accepted(send: Send, acceptance: Acceptance) -> dict[str, object] | None:
    if acceptance.message is None:
        return None
    contact = {"input": send.input}
    if send.to_bsuid is not None:
        contact["user_id"] = send.to_bsuid
    else:
        contact["wa_id"] = send.wa_id
    message = {"id": acceptance.message.wamid}
    if send.template is not None:
        status = "held_for_quality_assessment" if acceptance.held else "accepted"
        message["message_status"] = status
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}


def _mark_read(sandbox: Sandbox, number: Number, body: dict[str, object]) -> GraphAnswer:
    if body.get("messaging_product") != "whatsapp":
        raise GraphError(100, title="The parameter messaging_product is required.")
    if body["status"] != "read":
        raise GraphError(100, title="Param status must be one of {READ}")
    if not body.get("message_id"):
        raise GraphError(131008, "message_id is required")
    if body["message_id"] not in sandbox.inbound_ids:
        raise GraphError(131009, "message_id is not of a message that this number received")
    return GraphAnswer({"success": True}, waba_id=number.waba.id)


def get_message_history(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """The delivery events of one message, with what became of their webhooks."""
    number = sandbox.world.number(request.node, request.token, "GET")
    wamid = request.query.get("message_id")
    if not wamid:
        raise GraphError(100, title="The parameter message_id is required")
    message = sandbox.ledger.by_wamid.get(wamid)
    if message is None or message.number_id != number.id:
        return GraphAnswer({"data": []}, waba_id=number.waba.id)
    events = page(request, _history(sandbox, message), most=_HISTORY_PAGE_MOST)
    return GraphAnswer(
        {"data": [{"id": message.wamid, "message_id": message.wamid, "events": events}]},
        waba_id=number.waba.id,
    )


def _history(sandbox: Sandbox, message: Message) -> list[dict[str, object]]:
    events: list[dict[str, object]] = [
        {"delivery_status": "ACCEPTED", "timestamp": message.accepted_ms // 1000}
    ]
    now_ms = sandbox.clock.now_ms()
    for index, step in enumerate(message.steps):
        if step.kind == Kind.FACT or step.flags & Flag.REPEAT:
            continue
        if message.accepted_ms + step.at_ms > now_ms:
            continue
        event: dict[str, object] = {
            "delivery_status": Kind(step.kind).name,
            "timestamp": (message.accepted_ms + step.at_ms) // 1000,
            "webhook_update_state": _webhook_state(message, index),
        }
        if step.code:
            event["error_description"] = str(step.code)
        events.append(event)
    return events


def _webhook_state(message: Message, index: int) -> str:
    if message.steps[index].flags & Flag.LOST:
        return "FAILED"
    if message.posted & 1 << index:
        return "DELIVERED"
    return "RETRYING" if message.emitted & 1 << index else "PENDING"


def post_media(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """Take a multipart upload; the media id is good for 30 days."""
    number = sandbox.world.number(request.node, request.token, "POST")
    parts = _multipart(request)
    if "messaging_product" not in parts:
        raise GraphError(100, title="The parameter messaging_product is required.")
    upload = parts.get("file")
    if upload is None:
        raise GraphError(100, title="The parameter file is required.")
    content = upload.get_payload(decode=True)
    if not isinstance(content, bytes):
        raise GraphError(131053, "The file is empty")
    declared = parts.get("type")
    mime_type = _text(declared) if declared is not None else upload.get_content_type()
    digest = hashlib.sha256(content).hexdigest()
    media_id = f"3{len(sandbox.world.media):05d}{int(digest[:12], 16) % 10**9:09d}"
    sandbox.world.media[media_id] = Media(
        id=media_id,
        mime_type=mime_type,
        sha256=digest,
        content=content,
        uploaded_ms=sandbox.clock.now_ms(),
    )
    return GraphAnswer({"id": media_id}, waba_id=number.waba.id)


def media_node(sandbox: Sandbox, request: GraphRequest, media: Media) -> GraphAnswer:
    """GET shows the media with a link, DELETE removes it."""
    if request.method == "DELETE":
        del sandbox.world.media[media.id]
        return GraphAnswer({"success": True})
    now_ms = sandbox.clock.now_ms()
    if now_ms - media.uploaded_ms > MEDIA_LIFE_MS:
        raise object_missing(media.id, request.method)
    until_ms = now_ms + MEDIA_URL_MS
    return GraphAnswer(
        {
            "messaging_product": "whatsapp",
            "url": f"{request.base_url}/sandbox/media/{media.id}?until={until_ms}",
            "mime_type": media.mime_type,
            "sha256": media.sha256,
            "file_size": str(len(media.content)),
            "id": media.id,
        }
    )


def _multipart(request: GraphRequest) -> dict[str, "MimePart[str, str]"]:
    if not request.content_type.startswith("multipart/form-data"):
        raise GraphError(100, title="The body must be multipart/form-data")
    head = f"Content-Type: {request.content_type}\r\n\r\n".encode("latin-1")
    message = BytesParser().parsebytes(head + request.body)
    parts: dict[str, MimePart[str, str]] = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            parts[name] = part
    return parts


def _text(part: "MimePart[str, str]") -> str:
    payload = part.get_payload(decode=True)
    return payload.decode().strip() if isinstance(payload, bytes) else ""
