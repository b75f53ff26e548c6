"""What a sandbox is made of: accounts, numbers, templates, tokens, delivery, limits, faults.

Everything here enters from a JSON file or a dict, so it is validated by pydantic and a wrong
key is refused instead of ignored.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.demo_world import demo_world

Probability = Annotated[float, Field(ge=0, le=1)]
MillisecondRange = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class Section(BaseModel):
    """A part of the configuration; unknown keys are an error."""

    model_config = ConfigDict(extra="forbid")


class TokenConfig(Section):
    """An access token; `waba_ids` null means every account, `expires_at` null means never."""

    token: str
    waba_ids: list[str] | None = None
    expires_at: datetime | None = None


class TemplateConfig(Section):
    """A message template as Meta's GET message_templates shows it."""

    name: str
    language: str
    category: str = "UTILITY"
    status: str = "APPROVED"
    components: list[dict[str, object]] = Field(default_factory=list)
    id: str | None = None


class NumberConfig(Section):
    """A business phone number; `throughput_mps` is 80, 1000 (upgraded) or 20 (coexistence)."""

    id: str
    display_phone_number: str
    verified_name: str = "Sandbox Store"
    throughput_mps: Annotated[int, Field(gt=0)] = 80
    quality_rating: str = "GREEN"
    state: str = "CONNECTED"
    callback_url: str | None = None
    allowed_recipients: list[str] | None = None
    pin: Annotated[str, Field(pattern="^[0-9]{6}$")] | None = None


class WabaConfig(Section):
    """A WhatsApp Business account with its numbers and templates."""

    id: str
    name: str = "Sandbox account"
    currency: str = "USD"
    timezone: str = "UTC"
    portfolio_id: str = "9000000000001"
    subscribed: bool = True
    callback_url: str | None = None
    numbers: list[NumberConfig]
    templates: list[TemplateConfig] = Field(default_factory=list)


class PortfolioConfig(Section):
    """A business portfolio; `people_per_day` null is unlimited."""

    id: str
    people_per_day: Annotated[int, Field(ge=1)] | None = None


class DeliveryConfig(Section):
    """How fast statuses follow a send, in milliseconds from the acceptance (min, max)."""

    sent_ms: MillisecondRange = (50, 250)
    delivered_ms: MillisecondRange = (300, 1500)
    read_ms: MillisecondRange = (1500, 6000)
    read_probability: Probability = 0.6
    template_approval_ms: Annotated[int, Field(ge=0)] = 1000


class ReviewConfig(Section):
    """What the seed makes of new and edited templates: which share is rejected or moved."""

    rejected: Probability = 0.0
    recategorised: Probability = 0.0
    creations_per_hour: Annotated[int, Field(ge=1)] = 100
    templates_per_account: Annotated[int, Field(ge=1)] = 6000
    name_blocked_ms: Annotated[int, Field(ge=0)] = 30 * 86_400_000


class EscapeMode(StrEnum):
    """Which characters leave the JSON of a webhook as escapes before it is signed."""

    META = "meta"
    HTML = "html"
    RAW = "raw"


class Shape(StrEnum):
    """Which generation of status webhooks is sent.

    v23 has `conversation`, v24 dropped it, 2026 added business-scoped user ids and contacts.
    """

    V23 = "v23"
    V24 = "v24"
    BSUID = "2026"


class Spelling(StrEnum):
    """How limits are spelled in account webhooks: per business since 2025, per phone before."""

    NEW = "new"
    OLD = "old"


class CallbackConfig(Section):
    """Where webhooks go and how hard the sandbox tries.

    `batch_size` is the most updates in one POST (Meta: up to 1,000); the default of 1 is what
    third-party clients that read only the first update need. A batch waits at most
    `flush_interval_ms` to fill. A POST that isn't answered with 200 is retried at once and then
    with doubling pauses up to `retry_max_seconds`, until `give_up_seconds` (Meta: 7 days), both
    in simulated time. `phones_by_rule` shows a phone number only for people who wrote within 30
    days or are in the contact book.
    """

    url: str | None = None
    batch_size: Annotated[int, Field(ge=1, le=1000)] = 1
    flush_interval_ms: Annotated[int, Field(ge=0, le=60_000)] = 20
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    retry_first_seconds: Annotated[float, Field(gt=0)] = 1.0
    retry_max_seconds: Annotated[float, Field(gt=0)] = 60.0
    give_up_seconds: Annotated[float, Field(gt=0)] = 7 * 86_400.0
    escape: EscapeMode = EscapeMode.META
    shape: Shape = Shape.BSUID
    spelling: Spelling = Spelling.NEW
    phones_by_rule: bool = False
    max_bytes: Annotated[int, Field(ge=1000)] = 3 * 1024 * 1024


class UsMarketing(StrEnum):
    """What a marketing template to a US number meets: 131049 by webhook, by answer, or nothing."""

    WEBHOOK = "webhook"
    API = "api"
    ALLOWED = "allowed"


class LimitConfig(Section):
    """Which of Meta's limits are enforced.

    The throughput bucket of a number holds `throughput_burst_seconds` of its rate.
    `prepend_country_code` decides what a recipient without `+` means: false reads it as a whole
    international number when it is a valid one, true always puts the business number's country
    code in front, as Meta's page warns. `portfolio_code` is the answer to one person too many
    (Meta doesn't publish it), `marketing_per_person` null switches that limit off, `http_status`
    overrides the HTTP status of a code: Meta is seen with 400, 403 and 429 for throttles.
    """

    enforce_throughput: bool = True
    throughput_burst_seconds: Annotated[float, Field(gt=0)] = 1.0
    enforce_pair_rate: bool = True
    enforce_window: bool = True
    all_windows_open: bool = False
    us_marketing: UsMarketing = UsMarketing.WEBHOOK
    prepend_country_code: bool = False
    free_service_messages: Annotated[int, Field(ge=0)] = 1000
    portfolio_code: int = 131048
    tier_upgrades: bool = True
    tier_upgrade_ms: Annotated[int, Field(ge=0)] = 6 * 3_600_000
    marketing_per_person: Annotated[int, Field(ge=0)] | None = None
    management_calls_per_hour: Annotated[int, Field(ge=1)] | None = 5000
    app_calls_per_hour: Annotated[int, Field(ge=1)] | None = None
    http_status: dict[int, Annotated[int, Field(ge=400, le=599)]] = Field(default_factory=dict)


class RateConfig(Section):
    """A price of one delivered message in one country, from a local day of the account on."""

    country: str
    category: str
    rate: Decimal
    currency: str = "USD"
    effective_from: date = date(2000, 1, 1)
    tier: str | None = None


class AnswerFault(StrEnum):
    """A send whose answer is not an answer; `_accepted` ones are delivered all the same."""

    DROP_UNACCEPTED = "drop_unaccepted"
    HANG_UNACCEPTED = "hang_unaccepted"
    HTTP_500_UNACCEPTED = "http_500_unaccepted"
    HTTP_503_UNACCEPTED = "http_503_unaccepted"
    HTML_UNACCEPTED = "html_unaccepted"
    DROP_ACCEPTED = "drop_accepted"
    HANG_ACCEPTED = "hang_accepted"
    HTTP_500_ACCEPTED = "http_500_accepted"
    HTML_ACCEPTED = "html_accepted"
    TRUNCATED_UNACCEPTED = "truncated_unaccepted"
    TRUNCATED_ACCEPTED = "truncated_accepted"
    SLOW_ACCEPTED = "slow_accepted"

    @property
    def accepts(self) -> bool:
        """True when the message is taken and its statuses will come."""
        return self.value.endswith("_accepted")


class ForcedFault(Section):
    """Exactly one thing that goes wrong: an answer fault, an API error or a failed webhook."""

    answer: AnswerFault | None = None
    api_error: int | None = None
    failed_webhook: int | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [self.answer, self.api_error, self.failed_webhook]
        if sum(value is not None for value in given) != 1:
            raise ValueError("give exactly one of answer, api_error, failed_webhook")
        return self


class NextFault(ForcedFault):
    """A fault for the next `count` sends (of one number, if given), before any probability."""

    count: Annotated[int, Field(ge=1)] = 1
    phone_number_id: str | None = None


class EveryFault(ForcedFault):
    """A fault for every nth send (of one number, if given) that no other rule strikes."""

    nth: Annotated[int, Field(ge=1)]
    phone_number_id: str | None = None


class FaultConfig(Section):
    """What goes wrong, how often. Same seed, same recipients in the same order: same faults."""

    answers: dict[AnswerFault, Probability] = Field(default_factory=dict)
    api_errors: dict[int, Probability] = Field(default_factory=dict)
    failed_webhooks: dict[int, Probability] = Field(default_factory=dict)
    hang_seconds: Annotated[float, Field(gt=0)] = 60.0
    slow_seconds: Annotated[float, Field(gt=0)] = 3.0
    duplicate_status: Probability = 0.0
    late_status: Probability = 0.0
    late_ms: MillisecondRange = (5_000, 20_000)
    out_of_order: Probability = 0.0
    missing_delivered: Probability = 0.0
    lost_status: Probability = 0.0
    no_status: Probability = 0.0
    hidden_phone: Probability = 0.0
    failed_after_delivered: Probability = 0.0
    played: Probability = 0.0
    held: Probability = 0.0
    hold_ms: MillisecondRange = (2_000, 8_000)
    held_failed: Probability = 0.3
    recipients: dict[str, ForcedFault] = Field(default_factory=dict)
    suffixes: dict[Annotated[str, Field(pattern="^[0-9]+$")], ForcedFault] = Field(
        default_factory=dict
    )
    next: list[NextFault] = Field(default_factory=list)
    every: list[EveryFault] = Field(default_factory=list)

    @model_validator(mode="after")
    def _shares_fit_in_one(self) -> Self:
        for name in ("answers", "api_errors", "failed_webhooks"):
            if sum(getattr(self, name).values()) > 1:
                raise ValueError(f"the probabilities of {name} sum to more than 1")
        return self


class SandboxConfig(Section):
    """The whole sandbox. `SandboxConfig.demo(seed)` is a ready world with one account."""

    seed: int = 1
    app_id: str = "1122334455667788"
    app_secret: str
    verify_token: str
    tokens: list[TokenConfig]
    wabas: Annotated[list[WabaConfig], Field(min_length=1)]
    portfolios: list[PortfolioConfig] = Field(default_factory=list)
    delivery: DeliveryConfig = Field(default_factory=DeliveryConfig)
    callback: CallbackConfig = Field(default_factory=CallbackConfig)
    limits: LimitConfig = Field(default_factory=LimitConfig)
    review: ReviewConfig = Field(default_factory=ReviewConfig)
    faults: FaultConfig = Field(default_factory=FaultConfig)
    rates: list[RateConfig] = Field(default_factory=list)
    volume_tiers: dict[str, tuple[Annotated[int, Field(ge=1)], ...]] = Field(default_factory=dict)
    journal: Path | None = None
    stable_ids: bool = False

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a JSON file; raises pydantic.ValidationError or OSError with the place of it."""
        return cls.model_validate_json(path.read_bytes())

    @classmethod
    def demo(cls, seed: int = 1) -> Self:
        """One account, one number, three approved templates; ids and secrets follow the seed."""
        return cls.model_validate(demo_world(seed))


SERVICE_BILLING_STARTS = datetime(2026, 10, 1, tzinfo=UTC)
"""From here on service messages and in-window utility cost money (Meta's pricing page, 2026)."""
