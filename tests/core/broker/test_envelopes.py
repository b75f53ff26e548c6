"""Tickets: what goes in comes out, and nothing else comes in."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.broker.envelopes import PoisonTicket, Ticket, read_ticket, write_ticket
from core.clock import utc_now
from core.domain.ids import MessageId, PhoneNumberId, TenantId, new_id


def ticket(count: int = 3) -> Ticket:
    now = utc_now()
    return Ticket(
        ticket_id=new_id(),
        tenant_id=TenantId(new_id()),
        phone_number_id=PhoneNumberId("106540352242922"),
        message_ids=tuple(MessageId(new_id()) for _ in range(count)),
        issued_at=now,
        expires_at=now + timedelta(seconds=10),
    )


def test_a_ticket_survives_the_broker() -> None:
    written = ticket(100)
    assert read_ticket(write_ticket(written)) == written


def test_a_ticket_names_the_requests_behind_it_and_an_older_one_none() -> None:
    written = replace(ticket(), request_ids=(new_id(), new_id()))
    assert read_ticket(write_ticket(written)).request_ids == written.request_ids
    older = json.loads(write_ticket(written))
    del older["request_ids"]
    assert read_ticket(json.dumps(older).encode()).request_ids == ()


@pytest.mark.parametrize("count", [0, 101])
def test_a_ticket_names_one_to_a_hundred_messages(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        write_ticket(ticket(count))


def altered(**changes: Any) -> bytes:
    return json.dumps({**json.loads(write_ticket(ticket())), **changes}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff\xfe",
        b"x" * 20_000,
        b"\x80\x04\x95\x08\x00\x00\x00\x00\x00\x00\x00}",
        altered(v=2),
        altered(message_ids=[]),
        altered(message_ids=["x"]),
        altered(message_ids=None),
        altered(tenant_id=7),
        altered(phone_number_id=""),
        altered(request_ids="x"),
        altered(request_ids=["x"]),
        altered(request_ids=[str(new_id())] * 101),
        altered(expires_at="2026-11-20T10:00:00"),
        altered(expires_at=None),
    ],
)
def test_whatever_is_no_ticket_is_poison(body: bytes) -> None:
    with pytest.raises(PoisonTicket):
        read_ticket(body)
