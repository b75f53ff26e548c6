"""Coming back from the journal after a crash: nothing that was answered for is forgotten."""

from sandbox.acceptance import Sandbox
from sandbox.config import FaultConfig
from sandbox.journal import message_from
from sandbox.script import Flag, Kind

Record = dict[str, object]


def restore(sandbox: Sandbox) -> int:
    """Read the journal back, queue every status that no callback confirmed, open it for more.

    Returns how many messages came back. Statuses confirmed just before the crash may be posted
    again: webhooks come at least once.
    """
    for record in sandbox.journal.read():
        _replay(sandbox, record)
    for message in sandbox.ledger.messages:
        sandbox.dispatcher.schedule(message)
    sandbox.journal.open()
    return len(sandbox.ledger.messages)


def _replay(sandbox: Sandbox, record: Record) -> None:
    match record.get("k"), record.get("v"):
        case "accepted", _:
            _replay_accepted(sandbox, record)
        case "posted", _:
            _replay_posted(sandbox, record.get("s"))
        case "callback", None | str() as url:
            sandbox.world.app_callback_url = url
        case "faults", dict() as faults:
            sandbox.faults.replace(FaultConfig.model_validate(faults))
        case kind, value:
            _replay_person(sandbox, kind, value)


def _replay_person(sandbox: Sandbox, kind: object, value: object) -> None:
    match kind, value:
        case "request", [str(number_id), str(wa_id), int(nth)]:
            sandbox.requests[number_id, wa_id] = nth
        case "window", [str(number_id), str(wa_id), int(at_ms)]:
            sandbox.world.windows[number_id, wa_id] = at_ms
        case "opted_out", [str(waba_id), str(wa_id), bool(stopped)]:
            sandbox.world.set_opted_out(waba_id, wa_id, stopped=stopped)
        case _:
            raise ValueError(f"the journal holds a record that nobody knows: {kind!r}")


def _replay_accepted(sandbox: Sandbox, record: Record) -> None:
    message = message_from(record)
    if message.number_id not in sandbox.world.numbers:
        raise ValueError("the journal is of another world: it holds sends of an unknown number")
    sandbox.ledger.add(message)
    nth = record.get("n")
    if isinstance(nth, int):
        sandbox.requests[message.number_id, message.wa_id] = nth
    if message.category == "service":
        number = sandbox.world.numbers[message.number_id]
        sandbox.analytics.price_type(number, "service", in_window=True, now_ms=message.accepted_ms)


def _replay_posted(sandbox: Sandbox, refs: object) -> None:
    for seq, index in refs if isinstance(refs, list) else []:
        message = sandbox.ledger.messages[seq - 1]
        step = message.steps[index]
        if step.flags & Flag.BILLS:
            sandbox.analytics.count_delivery(message, message.accepted_ms + step.at_ms)
        if step.kind != Kind.FACT:
            sandbox.ledger.mark_emitted(message, index)
            sandbox.ledger.mark_posted(message, index)
