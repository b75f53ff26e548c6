"""The running world: accounts, numbers, templates, tokens, service windows, opt-outs, media."""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from sandbox.clock import DAY_MS, SandboxClock
from sandbox.config import NumberConfig, SandboxConfig, TemplateConfig, TokenConfig, WabaConfig
from sandbox.errors import GraphError, object_missing
from sandbox.limits import PairLimiter, TokenBucket
from sandbox.phones import country_of
from sandbox.policies import CallAllowance, MarketingLimit, Portfolio
from sandbox.templates import Template

WINDOW_MS: Final = DAY_MS
PHONE_SHOWN_MS: Final = 30 * DAY_MS
_BSUID_SPACE: Final = 2**64
_SCRAMBLE: Final = 0x9E3779B97F4A7C15
_UNSCRAMBLE: Final = pow(_SCRAMBLE, -1, _BSUID_SPACE)


@dataclass(slots=True)
class Waba:
    """An account; `callback_url` overrides the app's for messages."""

    config: WabaConfig
    timezone: ZoneInfo
    subscribed: bool
    callback_url: str | None
    templates: dict[tuple[str, str], Template] = field(default_factory=dict)
    blocked_names: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The WABA id."""
        return self.config.id


@dataclass(slots=True)
class Number:
    """A business phone number with its throughput bucket."""

    config: NumberConfig
    waba: Waba
    digits: str
    bucket: TokenBucket
    callback_url: str | None
    state: str
    quality: str = "GREEN"
    pin: str | None = None
    wrong_pins: int = 0
    pin_locked_until_ms: int = 0
    maintenance_until_ms: int = 0
    spam_limited_until_ms: int = 0

    @property
    def id(self) -> str:
        """The phone number id."""
        return self.config.id

    @property
    def country(self) -> str:
        """The country of the number itself."""
        return country_of(self.digits)

    @property
    def display(self) -> str:
        """The number as webhooks' metadata shows it: digits only."""
        return self.digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An uploaded file; the sandbox keeps it in memory."""

    id: str
    mime_type: str
    sha256: str
    content: bytes
    uploaded_ms: int


class World:
    """Everything that exists, built from a SandboxConfig; holds no message."""

    def __init__(self, config: SandboxConfig, clock: SandboxClock) -> None:
        self.config = config
        self.clock = clock
        self.epoch = "stable"
        self.next_epoch()
        self.app_callback_url = config.callback.url
        self.verify_token = config.verify_token
        self.tokens: dict[str, TokenConfig] = {token.token: token for token in config.tokens}
        self.wabas: dict[str, Waba] = {}
        self.numbers: dict[str, Number] = {}
        self.templates: dict[str, Template] = {}
        self.media: dict[str, Media] = {}
        self.pairs = PairLimiter()
        self.marketing = MarketingLimit()
        self.calls = CallAllowance()
        self.portfolios = {
            entry.id: Portfolio(entry.id, entry.people_per_day) for entry in config.portfolios
        }
        self.windows: dict[tuple[str, str], int] = {}
        self.opted_out: set[tuple[str, str]] = set()
        self.contact_book: set[tuple[str, str]] = set()
        self._portfolio_keys: dict[str, int] = {}
        for waba in config.wabas:
            self._add_waba(waba)

    def _add_waba(self, config: WabaConfig) -> None:
        waba = Waba(config, ZoneInfo(config.timezone), config.subscribed, config.callback_url)
        self.wabas[waba.id] = waba
        for number in config.numbers:
            self._add_number(waba, number)
        for template in config.templates:
            self.add_template(waba, template)

    def _add_number(self, waba: Waba, config: NumberConfig) -> None:
        digits = "".join(filter(str.isdigit, config.display_phone_number))
        if config.id in self.numbers:
            raise ValueError(f"two numbers have the id {config.id}")
        bucket = TokenBucket(
            rate=config.throughput_mps,
            capacity=config.throughput_mps * self.config.limits.throughput_burst_seconds,
            now=self.clock.now_ms() / 1000,
        )
        self.numbers[config.id] = Number(
            config,
            waba,
            digits,
            bucket,
            config.callback_url,
            config.state,
            quality=config.quality_rating,
            pin=config.pin,
        )

    def add_template(self, waba: Waba, config: TemplateConfig) -> Template:
        """Register a template; without an id it gets one that follows from seed, name, language."""
        identity = f"{self.config.seed}/{waba.id}/{config.name}/{config.language}"
        number = int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest())
        template = Template(
            id=config.id or f"2{number % 10**14:014d}",
            waba_id=waba.id,
            name=config.name,
            language=config.language,
            category=config.category.upper(),
            status=config.status.upper(),
            components=config.components,
        )
        waba.templates[(template.name, template.language)] = template
        self.templates[template.id] = template
        return template

    def remove_template(self, template: Template) -> None:
        """Forget a template; sends of it get 132001 from now on."""
        waba = self.wabas[template.waba_id]
        waba.templates.pop((template.name, template.language), None)
        self.templates.pop(template.id, None)

    def authorise(self, token: str | None, now_ms: int) -> TokenConfig:
        """The token's entry; raises 104 without a token, 190 for an unknown or expired one."""
        if not token:
            raise GraphError(104)
        known = self.tokens.get(token)
        if known is None:
            raise GraphError(190, "The access token could not be decrypted")
        expires_at = known.expires_at
        if expires_at is not None and _ms(expires_at) <= now_ms:
            raise GraphError(190, "Session has expired", subcode=463)
        return known

    def number(self, number_id: str, token: TokenConfig, method: str) -> Number:
        """The number if the token may use it; raises 100/33 like Meta, or 33 when deleted."""
        number = self.numbers.get(number_id)
        if number is None or not _may_use(token, number.waba.id):
            raise object_missing(number_id, method)
        if number.state != "CONNECTED" and method == "POST":
            raise GraphError(33 if number.state == "DELETED" else 133010)
        return number

    def waba(self, waba_id: str, token: TokenConfig, method: str) -> Waba:
        """The account if the token may use it; raises 100/33."""
        waba = self.wabas.get(waba_id)
        if waba is None or not _may_use(token, waba_id):
            raise object_missing(waba_id, method)
        return waba

    def portfolio(self, number: Number) -> Portfolio:
        """The portfolio that a number's account belongs to; unlimited unless configured."""
        portfolio_id = number.waba.config.portfolio_id
        known = self.portfolios.get(portfolio_id)
        if known is None:
            known = self.portfolios[portfolio_id] = Portfolio(portfolio_id, None)
        return known

    def window_open(self, number: Number, wa_id: str, now_ms: int) -> bool:
        """True within 24 h of the user's last message to this number."""
        if self.config.limits.all_windows_open:
            return True
        return now_ms - self.windows.get((number.id, wa_id), -WINDOW_MS) < WINDOW_MS

    def note_user(self, number: Number, wa_id: str) -> None:
        """A user wrote: Meta's contact book of the portfolio knows the number from now on."""
        self.contact_book.add((number.waba.config.portfolio_id, wa_id))

    def knows_phone(self, number: Number, wa_id: str, now_ms: int) -> bool:
        """True when webhooks show this phone: wrote within 30 days, or in the contact book."""
        wrote = self.windows.get((number.id, wa_id), -PHONE_SHOWN_MS)
        in_book = (number.waba.config.portfolio_id, wa_id) in self.contact_book
        return in_book or now_ms - wrote < PHONE_SHOWN_MS

    def callback_for(self, number: Number) -> str | None:
        """Where message webhooks go: the number's URL, else the account's, else the app's."""
        if not number.waba.subscribed:
            return None
        return number.callback_url or number.waba.callback_url or self.app_callback_url

    def bsuid(self, portfolio_id: str, wa_id: str, country: str) -> str:
        """The business-scoped user id: one per portfolio and user, the phone scrambled in it."""
        scrambled = int(wa_id) * _SCRAMBLE % _BSUID_SPACE ^ self._portfolio_key(portfolio_id)
        return f"{country}.{scrambled:020d}"

    def wa_id_of_bsuid(self, portfolio_id: str, bsuid: str) -> str | None:
        """The user behind a BSUID of this portfolio, or None when it isn't one."""
        country, _, number = bsuid.partition(".")
        if not number.isdigit() or len(number) != 20 or int(number) >= _BSUID_SPACE:
            return None
        wa_id = str((int(number) ^ self._portfolio_key(portfolio_id)) * _UNSCRAMBLE % _BSUID_SPACE)
        belongs = 7 <= len(wa_id) <= 15 and country == country_of(wa_id)
        return wa_id if belongs else None

    def _portfolio_key(self, portfolio_id: str) -> int:
        key = self._portfolio_keys.get(portfolio_id)
        if key is None:
            identity = f"{self.config.seed}/{portfolio_id}".encode()
            key = int.from_bytes(hashlib.blake2b(identity, digest_size=8).digest())
            self._portfolio_keys[portfolio_id] = key
        return key

    def set_opted_out(self, waba_id: str, wa_id: str, *, stopped: bool) -> None:
        """The user stopped (or resumed) marketing messages of this business."""
        change = self.opted_out.add if stopped else self.opted_out.discard
        change((waba_id, wa_id))

    def forget_people(self) -> None:
        """Forget every debt, window, opt-out and count; accounts, numbers and templates stay."""
        self.pairs.clear()
        self.marketing.clear()
        self.calls.clear()
        for portfolio in self.portfolios.values():
            portfolio.clear()
        self.contact_book.clear()
        self.windows.clear()
        self.opted_out.clear()

    def next_epoch(self) -> None:
        """Message ids from now on differ from all before, unless ids are configured stable."""
        if not self.config.stable_ids:
            self.epoch = secrets.token_hex(8)

    def templates_of(self, waba: Waba) -> Iterator[Template]:
        """All templates of an account, in the order they came."""
        yield from waba.templates.values()


def _may_use(token: TokenConfig, waba_id: str) -> bool:
    return token.waba_ids is None or waba_id in token.waba_ids


def _ms(at: datetime) -> int:
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)
