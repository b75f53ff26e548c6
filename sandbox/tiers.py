"""Steps of limits: a portfolio's messaging limit, a number's throughput, and their webhooks."""

from sandbox.callbacks import Dispatcher
from sandbox.clock import MINUTE_MS
from sandbox.config import Spelling
from sandbox.limits import TokenBucket
from sandbox.payloads import Update
from sandbox.policies import Portfolio, next_tier, tier_name
from sandbox.world import Number, World


def consider_tier(world: World, portfolio: Portfolio, dispatcher: Dispatcher, now_ms: int) -> None:
    """Half of the limit is used: one step up within six hours, unless a number's quality is red."""
    numbers = _numbers_of(world, portfolio)
    limits = world.config.limits
    if not limits.tier_upgrades or any(number.quality == "RED" for number in numbers):
        return
    portfolio.upgrade_due = True

    def step_up() -> None:
        portfolio.upgrade_due = False
        if portfolio.people_per_day is not None:
            set_tier(world, portfolio, next_tier(portfolio.people_per_day), dispatcher)

    dispatcher.do_at(now_ms + limits.tier_upgrade_ms, step_up)


def set_tier(
    world: World, portfolio: Portfolio, people: int | None, dispatcher: Dispatcher
) -> None:
    """Another limit from now on; every account and number of the portfolio is told."""
    before, portfolio.people_per_day = portfolio.people_per_day, people
    spelling = world.config.callback.spelling
    numbers = _numbers_of(world, portfolio)
    for waba_id in dict.fromkeys(number.waba.id for number in numbers):
        value = capability(people, spelling)
        dispatcher.announce(Update(waba_id, "business_capability_update", value))
    for number in numbers:
        value = number_quality(
            number, "UPGRADE" if _is_more(people, before) else "DOWNGRADE", people, before, spelling
        )
        dispatcher.announce(Update(number.waba.id, "phone_number_quality_update", value))


def capability(people: int | None, spelling: Spelling) -> dict[str, object]:
    """The value of business_capability_update in its new or old spelling."""
    if spelling is Spelling.OLD:
        most = -1 if people is None else people
        return {"max_daily_conversation_per_phone": most, "max_phone_numbers_per_waba": 25}
    return {
        "max_daily_conversations_per_business": tier_name(people),
        "max_phone_numbers_per_business": 25,
    }


def number_quality(
    number: Number, event: str, people: int | None, before: int | None, spelling: Spelling
) -> dict[str, object]:
    """The value of phone_number_quality_update; the new spelling still prints the old limits."""
    value: dict[str, object] = {
        "display_phone_number": number.display,
        "event": event,
        "current_limit": tier_name(people),
        "old_limit": tier_name(before),
    }
    if spelling is Spelling.NEW:
        value["max_daily_conversations_per_business"] = tier_name(people)
    return value


def upgrade_throughput(
    world: World, number: Number, mps: int, dispatcher: Dispatcher, seconds: float = 60.0
) -> None:
    """131057 for up to a minute, then another rate and the webhook THROUGHPUT_UPGRADE."""
    now_ms = world.clock.now_ms()
    until_ms = now_ms + min(int(seconds * 1000), MINUTE_MS)
    number.maintenance_until_ms = until_ms

    def done() -> None:
        set_throughput(world, number, mps)
        people = world.portfolio(number).people_per_day
        spelling = world.config.callback.spelling
        value = number_quality(number, "THROUGHPUT_UPGRADE", people, people, spelling)
        dispatcher.announce(Update(number.waba.id, "phone_number_quality_update", value))

    dispatcher.do_at(until_ms, done)


def set_throughput(world: World, number: Number, mps: int) -> None:
    """Another rate at once, with a full bucket."""
    number.config.throughput_mps = mps
    number.bucket = TokenBucket(
        rate=mps,
        capacity=mps * world.config.limits.throughput_burst_seconds,
        now=world.clock.now_ms() / 1000,
    )


def _numbers_of(world: World, portfolio: Portfolio) -> list[Number]:
    return [
        number
        for number in world.numbers.values()
        if number.waba.config.portfolio_id == portfolio.id
    ]


def _is_more(people: int | None, before: int | None) -> bool:
    return before is not None and (people is None or people > before)
