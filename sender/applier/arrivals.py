"""An update with where it came from."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from core.domain.ids import PhoneNumberId, TenantId, WabaId
from core.domain.message_state import MessageState
from core.store import webhooks
from core.store.database import Connection
from core.whatsapp.updates import Pricing, ReportedError, StatusUpdate, Update

# Meta repeats an unacknowledged webhook for 7 days; the hour is for clocks and queues.
_OLDEST: Final = timedelta(days=7, hours=1)
_NEWEST: Final = timedelta(minutes=5)
_U_co = TypeVar("_U_co", bound=Update, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived(Generic[_U_co]):
    """One update of one body."""

    update: _U_co
    body_id: int
    received_at: datetime

    @property
    def body_key(self) -> tuple[int, int]:
        """Where it stands: the body and the place in it."""
        return (self.body_id, self.update.position)


def is_timely(received_at: datetime, occurred_at: datetime) -> bool:
    """Judged by when it arrived, not by when it is applied: we may be late, Meta may not."""
    return -_NEWEST <= received_at - occurred_at <= _OLDEST


async def put_aside(
    connection: Connection,
    arrived: Arrived[Update],
    tenant_id: TenantId | None,
    reason: str,
    detail: str,
) -> None:
    """Put one update aside with the reason; its body stays where it is."""
    await webhooks.quarantine_update(
        connection,
        tenant_id=tenant_id,
        body_id=arrived.body_id,
        received_at=arrived.received_at,
        update_index=arrived.update.position,
        reason=reason,
        detail=detail,
    )


def write_status(update: StatusUpdate) -> dict[str, object]:
    """A status as JSON values, to wait among the orphans."""
    values = asdict(update)
    values["occurred_at"] = update.occurred_at.isoformat()
    return values


def read_status(values: dict[str, object]) -> StatusUpdate:
    """What `write_status` wrote."""
    pricing, errors = values["pricing"], values["errors"]
    return StatusUpdate(
        position=int(str(values["position"])),
        waba_id=WabaId(str(values["waba_id"])),
        phone_number_id=PhoneNumberId(str(values["phone_number_id"])),
        wamid=str(values["wamid"]),
        word=str(values.get("word") or values["state"]),
        state=MessageState(str(values["state"])),
        occurred_at=datetime.fromisoformat(str(values["occurred_at"])),
        callback_token=_text(values["callback_token"]),
        recipient_wa_id=_text(values["recipient_wa_id"]),
        recipient_user_id=_text(values["recipient_user_id"]),
        pricing=Pricing(**pricing) if isinstance(pricing, dict) else None,
        origin=_text(values["origin"]),
        errors=tuple(ReportedError(**error) for error in errors)
        if isinstance(errors, list)
        else (),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
