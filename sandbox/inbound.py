"""What users do: write to a number, or stop and resume its marketing messages."""

import base64
import hashlib
from typing import Literal

from pydantic import Field, model_validator

from sandbox.acceptance import Sandbox
from sandbox.config import Section
from sandbox.errors import GraphError
from sandbox.payloads import Update, contact, number_metadata
from sandbox.phones import country_of, read_recipient, wa_id_of
from sandbox.samples import Sample, sample_message, sample_names
from sandbox.world import Number


class InboundRequest(Section):
    """A user's act. `text` is the plain case; `message` is a whole object of any `type`."""

    sender: str = Field(alias="from")
    phone_number_id: str | None = None
    text: str | None = None
    type: str | None = None
    message: dict[str, object] | None = None
    sample: str | None = None
    reply_to: str | None = None
    preference: Literal["stop", "resume"] | None = None

    @model_validator(mode="after")
    def _one_act(self) -> "InboundRequest":
        if (self.type is None) != (self.message is None):
            raise ValueError("type and message go together")
        acts = [self.text, self.type, self.sample, self.preference]
        if sum(act is not None for act in acts) != 1:
            raise ValueError("give exactly one of text, type with message, sample, preference")
        return self


def receive(sandbox: Sandbox, request: InboundRequest, base_url: str = "") -> dict[str, object]:
    """Do what the user did and announce it by webhook; returns the ids that it got.

    A message opens the user's 24 h window and counts against the number's throughput.
    """
    number = _number(sandbox, request.phone_number_id)
    digits = read_recipient(
        request.sender, business_digits=number.digits, prepend_country_code=False
    )
    if digits is None:
        raise GraphError(131009, "from is not a valid phone number")
    wa_id = wa_id_of(digits)
    country = country_of(digits)
    bsuid = sandbox.world.bsuid(number.waba.config.portfolio_id, wa_id, country)
    if request.preference is not None:
        return _change_preference(sandbox, number, wa_id, bsuid, request.preference)
    now_ms = sandbox.clock.now_ms()
    sample = _sample(sandbox, request, now_ms, base_url)
    wamid = _inbound_wamid(sandbox, wa_id)
    sandbox.inbound_ids.add(wamid)
    if sample.opens_window:
        sandbox.open_window(number, wa_id)
    number.bucket.charge(now_ms / 1000)
    message: dict[str, object] = {
        "from": wa_id,
        "from_user_id": bsuid,
        "id": wamid,
        "timestamp": str(now_ms // 1000),
    }
    if request.reply_to is not None:
        message["context"] = {"from": number.digits, "id": request.reply_to}
    message["type"] = sample.type
    if sample.content is not None:
        message[sample.type] = sample.content
    message |= sample.extra
    value: dict[str, object] = {
        "messaging_product": "whatsapp",
        "metadata": number_metadata(number),
        "contacts": [contact(wa_id, bsuid, with_username=True)],
        "messages": [message],
    }
    sandbox.dispatcher.announce(Update(number.waba.id, "messages", value, with_time=False))
    return {"id": wamid, "wa_id": wa_id, "user_id": bsuid}


def _sample(sandbox: Sandbox, request: InboundRequest, now_ms: int, base_url: str) -> Sample:
    if request.sample is not None:
        sample = sample_message(sandbox.world, request.sample, now_ms, base_url)
        if sample is None:
            names = ", ".join(sample_names())
            raise GraphError(100, title=f"There is no such sample; there are {names}")
        return sample
    if request.text is not None:
        return Sample(type="text", content={"body": request.text})
    return Sample(type=request.type or "text", content=request.message)


def _change_preference(
    sandbox: Sandbox, number: Number, wa_id: str, bsuid: str, preference: str
) -> dict[str, object]:
    sandbox.set_opted_out(number, wa_id, stopped=preference == "stop")
    words = "stopped" if preference == "stop" else "resumed"
    value: dict[str, object] = {
        "messaging_product": "whatsapp",
        "metadata": number_metadata(number),
        "contacts": [contact(wa_id, bsuid)],
        "user_preferences": [
            {
                "wa_id": wa_id,
                "user_id": bsuid,
                "detail": f"User {words} marketing messages",
                "category": "marketing_messages",
                "value": preference,
                "timestamp": sandbox.clock.now_ms() // 1000,
            }
        ],
    }
    sandbox.dispatcher.announce(Update(number.waba.id, "user_preferences", value, with_time=False))
    return {"wa_id": wa_id, "user_id": bsuid, "preference": preference}


def _number(sandbox: Sandbox, number_id: str | None) -> Number:
    if number_id is None:
        return next(iter(sandbox.world.numbers.values()))
    number = sandbox.world.numbers.get(number_id)
    if number is None:
        raise GraphError(33, "There is no such phone number")
    return number


def _inbound_wamid(sandbox: Sandbox, wa_id: str) -> str:
    identity = f"{sandbox.world.epoch}/in/{wa_id}/{len(sandbox.inbound_ids)}"
    unique = hashlib.blake2b(identity.encode(), digest_size=10).hexdigest().upper()
    phone = wa_id.encode()
    raw = b"\x1c\x18" + bytes([len(phone)]) + phone + b"\x15\x02\x00\x12\x18\x14"
    return "wamid." + base64.b64encode(raw + unique.encode() + b"\x00").decode()
