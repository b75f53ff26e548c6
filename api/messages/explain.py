"""The story of a message: what was decided, tried, answered, reported and charged, in order."""

from uuid import UUID

from api.deps import Caller
from api.messages.schemas import (
    Attempt,
    ConsentUsed,
    ErrorWords,
    Event,
    Explanation,
    Message,
    Moment,
    ReportedStatus,
    TemplatePin,
)
from api.rows import fetch_all, fetch_known, fetch_one
from core.domain.provider_errors import classify
from core.store.queries import load

_sql = load("messages")


async def explain(caller: Caller, message_id: UUID) -> Explanation:
    """Everything known about one message, read from one snapshot."""
    place = {"tenant_id": caller.tenant_id, "message_id": message_id}
    async with caller.transaction(snapshot=True) as connection:
        message = await fetch_known(connection, Message, _sql.get_message, place, what="message")
        template = await fetch_one(
            connection,
            TemplatePin,
            _sql.get_template_pin,
            {
                **place,
                "template_id": message.template_id,
                "campaign_id": message.campaign_id,
            },
        )
        consent = await fetch_one(
            connection,
            ConsentUsed,
            _sql.get_consent_used,
            {
                **place,
                "contact_id": message.contact_id,
                "purpose": message.category,
                "as_of": message.created_at,
            },
        )
        attempts = await fetch_all(connection, Attempt, _sql.list_attempts, place)
        statuses = await fetch_all(connection, ReportedStatus, _sql.list_status_webhooks, place)
        events = await fetch_all(connection, Event, _sql.list_events, place)
    return Explanation(
        message=message,
        template=template,
        consent=consent,
        attempts=attempts,
        statuses=statuses,
        events=events,
        errors=_errors(message, attempts, events),
        timeline=_timeline(attempts, statuses, events),
    )


def _errors(message: Message, attempts: list[Attempt], events: list[Event]) -> list[ErrorWords]:
    """Every code that was met, in the atlas's words."""
    met = {message.error_code, *(attempt.error_code for attempt in attempts)}
    met |= {event.error_code for event in events}
    return [_words(code) for code in sorted(code for code in met if code is not None)]


def _words(code: int) -> ErrorWords:
    known = classify(code, None)
    return ErrorWords(
        code=code,
        name=known.name,
        scope=known.scope.value,
        action=known.action.value,
        advice=known.advice,
    )


def _timeline(
    attempts: list[Attempt], statuses: list[ReportedStatus], events: list[Event]
) -> list[Moment]:
    """All of it by time; what happened at one instant stays in the order it is known."""
    moments = [
        Moment(at=event.occurred_at, what=f"event: {event.event_type}", detail=_event_detail(event))
        for event in events
    ]
    for attempt in attempts:
        at = attempt.requested_at or attempt.claimed_at
        moments.append(Moment(at=at, what=f"attempt {attempt.attempt_no}: sent to Meta"))
        if attempt.answered_at is not None:
            detail = f"HTTP {attempt.http_status}, {attempt.outcome}"
            moments.append(Moment(at=attempt.answered_at, what="Meta answered", detail=detail))
    moments += [
        Moment(
            at=status.occurred_at,
            what=f"Meta reported: {status.status}",
            detail=f"applied at {status.applied_at.isoformat()}",
        )
        for status in statuses
    ]
    return sorted(moments, key=lambda moment: moment.at)


def _event_detail(event: Event) -> str | None:
    facts = {
        "error": event.error_code,
        "reason": event.reason,
        "pricing": event.pricing_type,
        "category": event.pricing_category,
    }
    known = [f"{name} {value}" for name, value in facts.items() if value is not None]
    return ", ".join(known) or None
