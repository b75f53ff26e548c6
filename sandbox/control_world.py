"""The part of the control API that changes the world: time, numbers, limits, templates."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from sandbox.acceptance import Sandbox
from sandbox.config import Section
from sandbox.errors import GraphError
from sandbox.notices import notice, notice_names
from sandbox.payloads import Update
from sandbox.template_life import announce_category, change_category, pause, rate_quality, unpause
from sandbox.templates import Pacing, Template
from sandbox.tiers import set_throughput, set_tier, upgrade_throughput
from sandbox.world import Number

Answer = dict[str, object]


class ClockRequest(Section):
    """Where time goes on: a moment or a step, and a speed (0 stands still, 60 is a minute/s)."""

    at: AwareDatetime | None = None
    advance_seconds: Annotated[float, Field(ge=0)] | None = None
    speed: Annotated[float, Field(ge=0, le=1_000_000)] | None = None


class NumberRequest(Section):
    """Changes of one number; what isn't given stays."""

    id: str
    throughput_mps: Annotated[int, Field(ge=1)] | None = None
    upgrade_seconds: Annotated[float, Field(ge=0, le=60)] | None = None
    quality_rating: Literal["GREEN", "YELLOW", "RED", "UNKNOWN"] | None = None
    state: Literal["CONNECTED", "DISCONNECTED", "DELETED"] | None = None
    spam_limited_seconds: Annotated[float, Field(ge=0)] | None = None
    maintenance_seconds: Annotated[float, Field(ge=0)] | None = None


class PortfolioRequest(Section):
    """Another messaging limit; null is unlimited."""

    id: str
    people_per_day: Annotated[int, Field(ge=1)] | None


class TokenRequest(Section):
    """When a token ends; null is never, a time that has passed is at once (190)."""

    token: str
    expires_at: AwareDatetime | None


class PacingRequest(Section):
    """`first` sends pass; the next are held and decided together after `decision_seconds`."""

    first: Annotated[int, Field(ge=0)] = 0
    decision_seconds: Annotated[float, Field(ge=0)] = 60.0
    outcome: Literal["release", "drop"] = "release"


class TemplateRequest(Section):
    """Exactly one thing that happens to a template."""

    id: str
    quality: Literal["GREEN", "YELLOW", "RED", "UNKNOWN"] | None = None
    pause: Literal[True] | None = None
    unpause: Literal[True] | None = None
    category: Literal["MARKETING", "UTILITY", "AUTHENTICATION"] | None = None
    notice: bool = True
    pacing: PacingRequest | None = None

    @model_validator(mode="after")
    def _one_act(self) -> Self:
        acts = [self.quality, self.pause, self.unpause, self.category, self.pacing]
        if sum(act is not None for act in acts) != 1:
            raise ValueError("give exactly one of quality, pause, unpause, category, pacing")
        return self


class WebhookRequest(Section):
    """A webhook on demand: a known `kind`, or any `field`; `value` replaces keys of its value."""

    kind: str | None = None
    field: str | None = None
    value: dict[str, object] = Field(default_factory=dict)
    phone_number_id: str | None = None
    count: Annotated[int, Field(ge=1, le=10_000)] = 1

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.kind is None) == (self.field is None):
            raise ValueError("give either kind or field")
        return self


def move_clock(sandbox: Sandbox, request: ClockRequest) -> Answer:
    """Move, speed up or stop the simulated time; everything that is due then happens at once."""
    clock = sandbox.clock
    at_ms = int(request.at.timestamp() * 1000) if request.at is not None else clock.now_ms()
    at_ms += int((request.advance_seconds or 0) * 1000)
    clock.set(at_ms=at_ms, speed=request.speed)
    sandbox.dispatcher.time_changed()
    return tell_clock(sandbox)


def tell_clock(sandbox: Sandbox) -> Answer:
    """What time it is in the sandbox."""
    now_ms = sandbox.clock.now_ms()
    told = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat()
    return {"now": told, "now_ms": now_ms, "speed": sandbox.clock.speed}


def change_number(sandbox: Sandbox, request: NumberRequest) -> Answer:
    """Throughput (with or without an upgrade), quality, state, spam limit, maintenance."""
    number, now_ms = _number(sandbox, request.id), sandbox.clock.now_ms()
    if request.throughput_mps is not None and request.upgrade_seconds is not None:
        upgrade_throughput(
            sandbox.world,
            number,
            request.throughput_mps,
            sandbox.dispatcher,
            request.upgrade_seconds,
        )
    elif request.throughput_mps is not None:
        set_throughput(sandbox.world, number, request.throughput_mps)
    if request.spam_limited_seconds is not None:
        number.spam_limited_until_ms = now_ms + int(request.spam_limited_seconds * 1000)
    if request.maintenance_seconds is not None:
        number.maintenance_until_ms = now_ms + int(request.maintenance_seconds * 1000)
    number.state = request.state or number.state
    number.quality = request.quality_rating or number.quality
    return {
        "id": number.id,
        "throughput_mps": number.config.throughput_mps,
        "quality_rating": number.quality,
        "state": number.state,
    }


def change_portfolio(sandbox: Sandbox, request: PortfolioRequest) -> Answer:
    """Another messaging limit, with its webhooks."""
    known = {waba.config.portfolio_id: waba for waba in sandbox.world.wabas.values()}
    if request.id not in known:
        raise GraphError(100, title="There is no such portfolio")
    number = next(n for n in sandbox.world.numbers.values() if n.waba is known[request.id])
    portfolio = sandbox.world.portfolio(number)
    set_tier(sandbox.world, portfolio, request.people_per_day, sandbox.dispatcher)
    return {"id": portfolio.id, "people_per_day": portfolio.people_per_day}


def change_token(sandbox: Sandbox, request: TokenRequest) -> Answer:
    """Let a token expire, or live again."""
    token = sandbox.world.tokens.get(request.token)
    if token is None:
        raise GraphError(100, title="There is no such token")
    token.expires_at = request.expires_at
    return {"expires_at": request.expires_at.isoformat() if request.expires_at else None}


def change_template(sandbox: Sandbox, request: TemplateRequest) -> Answer:
    """Rate, pause, unpause, pace or recategorise a template, with the webhooks of it."""
    template = sandbox.world.templates.get(request.id)
    if template is None:
        raise GraphError(100, title="There is no such template")
    if request.quality is not None:
        rate_quality(sandbox, template, request.quality)
    elif request.pause:
        pause(sandbox, template)
    elif request.unpause:
        unpause(sandbox, template)
    elif request.category is not None:
        change = announce_category if request.notice else change_category
        change(sandbox, template, request.category)
    elif request.pacing is not None:
        template.pacing = Pacing(
            first=request.pacing.first,
            decision_ms=int(request.pacing.decision_seconds * 1000),
            drops=request.pacing.outcome == "drop",
        )
    return describe_template(template)


def describe_template(template: Template) -> Answer:
    """What a test wants to see of a template after a change."""
    return {
        "id": template.id,
        "status": template.status,
        "category": template.category,
        "quality": template.quality,
        "pauses": template.pauses,
    }


def send_webhook(sandbox: Sandbox, request: WebhookRequest) -> Answer:
    """Announce a webhook `count` times."""
    number = _number(sandbox, request.phone_number_id)
    for _ in range(request.count):
        if request.kind is None:
            update: Update | None = Update(number.waba.id, request.field or "", request.value)
        else:
            update = notice(sandbox.world, number, request.kind, request.value)
        if update is None:
            names = ", ".join(notice_names())
            raise GraphError(100, title=f"There is no such kind; there are {names}")
        sandbox.dispatcher.announce(update)
    return {"announced": request.count}


def tell_limits(sandbox: Sandbox) -> Answer:
    """What every portfolio and number may do, and how much of it is used."""
    world, now_ms = sandbox.world, sandbox.clock.now_ms()
    for number in world.numbers.values():
        world.portfolio(number).forget_old(now_ms)
    return {
        "portfolios": [
            {"id": p.id, "people_per_day": p.people_per_day, "reached": p.reached()}
            for p in world.portfolios.values()
        ],
        "numbers": [
            {
                "id": number.id,
                "throughput_mps": number.config.throughput_mps,
                "quality_rating": number.quality,
                "state": number.state,
                "maintenance": number.maintenance_until_ms > now_ms,
                "spam_limited": number.spam_limited_until_ms > now_ms,
            }
            for number in world.numbers.values()
        ],
    }


def _number(sandbox: Sandbox, number_id: str | None) -> Number:
    if number_id is None:
        return next(iter(sandbox.world.numbers.values()))
    number = sandbox.world.numbers.get(number_id)
    if number is None:
        raise GraphError(33, "There is no such phone number")
    return number
