"""Taking a send: limits, policies, faults, then the ledger and its statuses."""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.callbacks import Dispatcher
from sandbox.clock import SandboxClock
from sandbox.config import AnswerFault, FaultConfig, SandboxConfig, UsMarketing
from sandbox.errors import GraphError
from sandbox.faults import Draw, Fate, FaultBook
from sandbox.journal import Journal
from sandbox.ledger import Ledger, Message
from sandbox.pacing import hold_for_pacing
from sandbox.payloads import Update, template_status_update
from sandbox.policies import EXEMPT_FROM_MARKETING_LIMIT
from sandbox.pricing import Analytics, NewTier
from sandbox.script import Step, write_script
from sandbox.sending import Send
from sandbox.templates import Template
from sandbox.tiers import consider_tier
from sandbox.world import Number, Waba, World


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The answer to a send: its message unless refused silently, and what befalls the answer."""

    message: Message | None
    held: bool
    answer_fault: AnswerFault | None


class Sandbox:
    """The whole state of one sandbox and the steps between its parts."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.clock = SandboxClock()
        self.world = World(config, self.clock)
        self.faults = FaultBook(config.faults)
        self.ledger = Ledger(config.seed)
        self.analytics = Analytics(self.world)
        self.journal = Journal(config.journal)
        self.dispatcher = Dispatcher(self.world, self.ledger, self.analytics, self.journal)
        self.analytics.on_new_tier = self._announce_tier
        self.requests: Counter[tuple[str, str]] = Counter()
        self.inbound_ids: set[str] = set()
        self.begin_outage: Callable[[float], None] | None = None

    def accept(self, number: Number, send: Send) -> Acceptance:
        """Take a valid send, or raise the GraphError that a limit, policy or fault demands.

        Limits come before faults, so that a throttled request never uses up a configured fault.
        """
        now_ms = self.clock.now_ms()
        self._check_limits(number, send, now_ms)
        category = "service" if send.template is None else send.template.category.lower()
        in_window = self.world.window_open(number, send.wa_id, now_ms)
        if send.template is None and self.config.limits.enforce_window and not in_window:
            raise GraphError(131047)
        if not in_window:
            self._check_reach(number, send, now_ms)
        policy_code = self._policy(number, send, category, in_window=in_window, now_ms=now_ms)
        self.requests[number.id, send.wa_id] += 1
        nth = self.requests[number.id, send.wa_id]
        fate = Fate(seed=self.config.seed, number_id=number.id, wa_id=send.wa_id, nth=nth)
        verdict = self.faults.verdict(
            fate, number_id=number.id, digits=send.digits, wa_id=send.wa_id
        )
        if verdict.answer is not None:
            self.ledger.answers[verdict.answer.value] += 1
            if not verdict.answer.accepts:
                self._note_request(number, send, nth)
                return Acceptance(None, held=False, answer_fault=verdict.answer)
        elif verdict.api_error is not None:
            self._note_request(number, send, nth)
            raise GraphError(verdict.api_error)
        pacing = hold_for_pacing(self.dispatcher, send.template, now_ms)
        by_chance = category == "marketing" and fate.happens(Draw.HELD, self.faults.config.held)
        held = pacing is not None or by_chance
        steps = write_script(
            fate,
            self.config.delivery,
            self.faults.config,
            failed_webhook=policy_code or verdict.failed_webhook,
            held=held,
            pacing=pacing,
            voice=send.type == "audio",
        )
        message = self._message(
            number,
            send,
            category=category,
            now_ms=now_ms,
            nth=nth,
            steps=steps,
            in_window=in_window,
        )
        self.journal.accepted(message, nth)
        self.ledger.add(message)
        self.dispatcher.schedule(message)
        return Acceptance(message, held=held, answer_fault=verdict.answer)

    def _note_request(self, number: Number, send: Send, nth: int) -> None:
        """A restart must not make a person meet the same fault for ever: the count goes on."""
        self.journal.noted("request", [number.id, send.wa_id, nth])

    def _message(
        self,
        number: Number,
        send: Send,
        *,
        category: str,
        now_ms: int,
        nth: int,
        steps: tuple[Step, ...],
        in_window: bool,
    ) -> Message:
        template = send.template
        return Message(
            seq=len(self.ledger.messages) + 1,
            wamid=self._wamid(number, send.wa_id, nth),
            number_id=number.id,
            wa_id=send.wa_id,
            country=send.country,
            accepted_ms=now_ms,
            type=send.type,
            template=f"{template.name}/{template.language}" if template else None,
            category=category,
            price_type=self.analytics.price_type(
                number, category, in_window=in_window, now_ms=now_ms
            ),
            opaque=send.opaque,
            content=send.content,
            steps=steps,
        )

    def _check_limits(self, number: Number, send: Send, now_ms: int) -> None:
        limits = self.config.limits
        now = now_ms / 1000
        if limits.enforce_throughput and not number.bucket.take(now):
            raise GraphError(130429)
        if limits.enforce_pair_rate and not self.world.pairs.take((number.id, send.wa_id), now):
            raise GraphError(131056)
        if number.maintenance_until_ms > now_ms:
            raise GraphError(131057)

    def _check_reach(self, number: Number, send: Send, now_ms: int) -> None:
        """Outside a window a send counts against the portfolio and meets the spam limit."""
        if number.spam_limited_until_ms > now_ms:
            raise GraphError(131048)
        portfolio = self.world.portfolio(number)
        if not portfolio.admit(send.wa_id, now_ms):
            raise GraphError(
                self.config.limits.portfolio_code, "The messaging limit of 24 hours is reached"
            )
        if portfolio.deserves_more():
            consider_tier(self.world, portfolio, self.dispatcher, now_ms)

    def _policy(
        self, number: Number, send: Send, category: str, *, in_window: bool, now_ms: int
    ) -> int | None:
        """The code a marketing send will fail with by webhook, if a policy forbids it."""
        if category != "marketing":
            return None
        if (number.waba.id, send.wa_id) in self.world.opted_out:
            return 131050
        most = self.config.limits.marketing_per_person
        if (
            most is not None
            and not in_window
            and send.country not in EXEMPT_FROM_MARKETING_LIMIT
            and number.country not in EXEMPT_FROM_MARKETING_LIMIT
            and not self.world.marketing.admit(send.wa_id, now_ms, most)
        ):
            return 131049
        us_marketing = self.config.limits.us_marketing
        if send.country != "US" or us_marketing is UsMarketing.ALLOWED:
            return None
        if us_marketing is UsMarketing.API:
            raise GraphError(131049)
        return 131049

    def _wamid(self, number: Number, wa_id: str, nth: int) -> str:
        """Like Meta's: base64 that holds the phone number in clear and a hexadecimal id."""
        identity = f"{self.config.seed}/{self.world.epoch}/{number.id}/{wa_id}/{nth}"
        unique = hashlib.blake2b(identity.encode(), digest_size=9).hexdigest().upper()
        phone = wa_id.encode()
        raw = b"\x1c\x18" + bytes([len(phone)]) + phone + b"\x15\x02\x00\x11\x18\x12"
        return "wamid." + base64.b64encode(raw + unique.encode() + b"\x00").decode()

    def _announce_tier(self, waba: Waba, new: NewTier) -> None:
        info: dict[str, object] = {
            "tier_update_time": new.at_seconds,
            "pricing_category": new.category.upper(),
            "tier": new.tier,
            "effective_month": new.month,
            "region": new.region,
        }
        value: dict[str, object] = {
            "event": "VOLUME_BASED_PRICING_TIER_UPDATE",
            "volume_tier_info": info,
        }
        self.dispatcher.announce(Update(waba.id, "account_update", value))

    def refuse(self, error: GraphError) -> int:
        """Book a refusal; returns its HTTP status, which the configuration may override."""
        self.ledger.refused[error.code] += 1
        return self.config.limits.http_status.get(error.code, error.http_status)

    def later(self, after_ms: int, act: Callable[[], None]) -> None:
        """Do something when that much simulated time has passed."""
        self.dispatcher.do_at(self.clock.now_ms() + after_ms, act)

    def set_template_status(self, template: Template, status: str) -> None:
        """Move a template to another status, with its webhook."""
        template.status = status
        self.dispatcher.announce(template_status_update(template, status))

    def set_callback(self, url: str | None) -> None:
        """Send webhooks of all accounts without an override to `url` from now on."""
        self.world.app_callback_url = url
        self.journal.noted("callback", url)

    def set_faults(self, faults: FaultConfig) -> None:
        """Put other faults in force for every send from now on."""
        self.faults.replace(faults)
        self.journal.noted("faults", faults.model_dump(mode="json"))

    def open_window(self, number: Number, wa_id: str) -> None:
        """The user wrote now: free-form messages are allowed for 24 hours."""
        now_ms = self.clock.now_ms()
        self.world.windows[number.id, wa_id] = now_ms
        self.world.note_user(number, wa_id)
        self.journal.noted("window", [number.id, wa_id, now_ms])

    def set_opted_out(self, number: Number, wa_id: str, *, stopped: bool) -> None:
        """The user stopped or resumed marketing messages of this business."""
        self.world.set_opted_out(number.waba.id, wa_id, stopped=stopped)
        self.journal.noted("opted_out", [number.waba.id, wa_id, stopped])

    def reset(self) -> None:
        """Forget every message, debt, window and opt-out; accounts, templates, faults stay."""
        self.dispatcher.clear()
        self.ledger.clear()
        self.analytics.clear()
        self.world.forget_people()
        self.requests.clear()
        self.inbound_ids.clear()
        self.world.next_epoch()
        self.journal.restart()
