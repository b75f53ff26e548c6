"""Webhook delivery: a heap of due statuses, batches, signed POSTs, retries with growing pauses."""

import asyncio
import contextlib
import heapq
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import aiohttp

from sandbox.config import CallbackConfig
from sandbox.journal import Journal
from sandbox.ledger import Ledger, Message
from sandbox.payloads import StatusRef, Update, envelope, escape_json, sign
from sandbox.pricing import Analytics
from sandbox.script import Flag, Kind
from sandbox.world import World

_log = logging.getLogger(__name__)
_TICK_SECONDS: Final = 0.005
_POSTS_SHOWN: Final = 12
USER_AGENT: Final = "facebookexternalua"
_FOLLOW_OVERRIDES: Final = frozenset(
    {
        "account_settings_update",
        "calls",
        "consumer_profile",
        "history",
        "message_echoes",
        "messages",
        "messaging_handovers",
    }
)
_FOLLOWING_PREFIXES: Final = ("group_", "smb_")
_MOST_UPDATES_A_BODY: Final = 1000


@dataclass(slots=True)
class Delivery:
    """One POST with its exact bytes; a retry sends the same bytes again."""

    url: str
    body: bytes
    signature: str
    refs: list[StatusRef]
    updates: int
    first_ms: int
    attempts: int = 0


@dataclass(slots=True)
class _Buffer:
    flush_ms: int
    items: list[StatusRef | Update] = field(default_factory=list)


_Act = Callable[[], None]
_Due = tuple[int, int, Message | Delivery | Update | _Act, int]


class Dispatcher:
    """Posts everything that is due; one pump and a fixed number of senders, no task per status."""

    def __init__(
        self, world: World, ledger: Ledger, analytics: Analytics, journal: Journal
    ) -> None:
        self.world = world
        self.ledger = ledger
        self.analytics = analytics
        self.journal = journal
        self.posts_ok = 0
        self.posts_failed = 0
        self.last_posts: deque[tuple[str, int, int, str]] = deque(maxlen=_POSTS_SHOWN)
        self._due: list[_Due] = []
        self._order = itertools.count()
        self._buffers: dict[str, _Buffer] = {}
        self._outbox: deque[Delivery] = deque()
        self._in_flight = 0
        self._generation = 0
        self._pump_wake = asyncio.Event()
        self._outbox_filled = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    @property
    def config(self) -> CallbackConfig:
        """The callback section in force."""
        return self.world.config.callback

    def schedule(self, message: Message) -> None:
        """Queue every step of a message that hasn't been posted yet."""
        for index, step in enumerate(message.steps):
            if not message.posted & 1 << index:
                self._push(message.accepted_ms + step.emit_ms, message, index)

    def announce(self, update: Update, due_ms: int | None = None) -> None:
        """Queue a webhook that isn't a status."""
        self._push(self.world.clock.now_ms() if due_ms is None else due_ms, update, 0)

    def do_at(self, due_ms: int, act: Callable[[], None]) -> None:
        """Do something at a simulated moment; `clear` doesn't cancel it."""
        self._push(due_ms, act, 0)

    def time_changed(self) -> None:
        """The clock was moved: look again at what is due."""
        self._pump_wake.set()

    def clear(self) -> None:
        """Forget everything that isn't posted yet; POSTs in flight finish uncounted."""
        self._generation += 1
        self._in_flight = 0
        self._due = [due for due in self._due if callable(due[2])]
        heapq.heapify(self._due)
        self._buffers.clear()
        self._outbox.clear()

    def waiting(self) -> int:
        """Updates that are due later, in a batch, queued or on the wire."""
        buffered = sum(len(buffer.items) for buffer in self._buffers.values())
        return len(self._due) + buffered + len(self._outbox) + self._in_flight

    async def start(self) -> None:
        """Open the HTTP session and start pump and senders on the running loop."""
        connector = aiohttp.TCPConnector(limit=self.config.concurrency)
        timeout = aiohttp.ClientTimeout(total=self.config.timeout_seconds)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        self._tasks = [asyncio.create_task(self._pump(), name="sandbox-callback-pump")]
        for position in range(self.config.concurrency):
            name = f"sandbox-callback-sender-{position}"
            self._tasks.append(asyncio.create_task(self._send_forever(self._session), name=name))
        for task in self._tasks:
            task.add_done_callback(_tell_defect)

    async def stop(self) -> None:
        """Stop at once; what wasn't posted stays pending (and in the journal, if there is one)."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._session is not None:
            await self._session.close()

    def broken(self) -> BaseException | None:
        """The defect that ended the pump or a sender; None while all of them run."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (defect := task.exception()) is not None:
                return defect
        return None

    def _push(self, due_ms: int, item: Message | Delivery | Update | _Act, index: int) -> None:
        earliest = self._due[0][0] if self._due else None
        heapq.heappush(self._due, (due_ms, next(self._order), item, index))
        if earliest is None or due_ms < earliest:
            self._pump_wake.set()

    async def _pump(self) -> None:
        while True:
            self._pump_wake.clear()
            now_ms = self.world.clock.now_ms()
            retries = self._collect(now_ms)
            if self._flush(now_ms) or retries:
                async with self._outbox_filled:
                    self._outbox_filled.notify_all()
            await self._sleep(self.world.clock.now_ms())

    async def _sleep(self, now_ms: int) -> None:
        deadlines = [buffer.flush_ms for buffer in self._buffers.values()]
        if self._due:
            deadlines.append(self._due[0][0])
        if not deadlines:
            await self._pump_wake.wait()
            return
        # Never shorter than a tick: at 3,000 statuses a second one wake-up serves many.
        pause = self.world.clock.real_seconds(min(deadlines) - now_ms)
        if pause is not None and pause <= _TICK_SECONDS:
            await asyncio.sleep(_TICK_SECONDS)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._pump_wake.wait()

    def _collect(self, now_ms: int) -> bool:
        """Move what is due into the buffers; true when a retry went straight to the outbox."""
        due = self._due
        retries = False
        while due and due[0][0] <= now_ms:
            _, _, item, index = heapq.heappop(due)
            if isinstance(item, Delivery):
                self._outbox.append(item)
                retries = True
            elif isinstance(item, Message):
                self._emit(item, index, now_ms)
            elif isinstance(item, Update):
                self._route(self._url_for_update(item), item, now_ms)
            else:
                item()
        return retries

    def _emit(self, message: Message, index: int, now_ms: int) -> None:
        step = message.steps[index]
        if step.flags & Flag.BILLS:
            self.analytics.count_delivery(message, message.accepted_ms + step.at_ms)
        if step.kind == Kind.FACT or step.flags & Flag.LOST:
            return
        self.ledger.mark_emitted(message, index)
        url = self.world.callback_for(self.world.numbers[message.number_id])
        if url is None:
            self.ledger.unrouted += 1
        self._route(url, StatusRef(message, index), now_ms)

    def _url_for_update(self, update: Update) -> str | None:
        """Overrides cover messages, calls and groups; the rest always goes to the app's URL."""
        waba = self.world.wabas.get(update.waba_id)
        if waba is not None and not waba.subscribed:
            return None
        follows = update.field in _FOLLOW_OVERRIDES or update.field.startswith(_FOLLOWING_PREFIXES)
        metadata = update.value.get("metadata")
        if not follows or not isinstance(metadata, dict):
            return self.world.app_callback_url
        number = self.world.numbers.get(str(metadata.get("phone_number_id")))
        return self.world.callback_for(number) if number else self.world.app_callback_url

    def _route(self, url: str | None, item: StatusRef | Update, now_ms: int) -> None:
        if url is None:
            return
        buffer = self._buffers.get(url)
        if buffer is None:
            wait_ms = 0 if self.config.batch_size == 1 else self.config.flush_interval_ms
            buffer = self._buffers[url] = _Buffer(now_ms + wait_ms)
        buffer.items.append(item)

    def _flush(self, now_ms: int) -> bool:
        size = min(self.config.batch_size, _MOST_UPDATES_A_BODY)
        flushed = False
        for url in list(self._buffers):
            buffer = self._buffers[url]
            items = buffer.items
            if now_ms < buffer.flush_ms and len(items) < size:
                continue
            whole = len(items) if now_ms >= buffer.flush_ms else len(items) - len(items) % size
            for start in range(0, whole, size):
                self._outbox.extend(self._deliveries(url, items[start : start + size], now_ms))
            rest = items[whole:]
            if rest:
                buffer.items = rest
            else:
                del self._buffers[url]
            flushed = True
        return flushed

    def _deliveries(
        self, url: str, items: Sequence[StatusRef | Update], now_ms: int
    ) -> Iterator[Delivery]:
        """One POST, or several when the bytes of one would exceed Meta's 3 MB."""
        config = self.config
        body = escape_json(envelope(self.world, items, now_ms), config.escape)
        if len(body) > config.max_bytes and len(items) > 1:
            middle = len(items) // 2
            yield from self._deliveries(url, items[:middle], now_ms)
            yield from self._deliveries(url, items[middle:], now_ms)
            return
        refs = [item for item in items if isinstance(item, StatusRef)]
        signature = sign(body, self.world.config.app_secret)
        yield Delivery(url, body, signature, refs, len(items), now_ms)

    async def _send_forever(self, session: aiohttp.ClientSession) -> None:
        while True:
            async with self._outbox_filled:
                while not self._outbox:
                    await self._outbox_filled.wait()
                delivery = self._outbox.popleft()
            generation = self._generation
            self._in_flight += 1
            delivered = await self._post(session, delivery)
            if generation == self._generation:
                self._in_flight -= 1
                self._settle(delivery, delivered=delivered)

    async def _post(self, session: aiohttp.ClientSession, delivery: Delivery) -> bool:
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": delivery.signature,
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
        }
        try:
            async with session.post(delivery.url, data=delivery.body, headers=headers) as response:
                await response.read()
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return False

    def _settle(self, delivery: Delivery, *, delivered: bool) -> None:
        when = datetime.fromtimestamp(self.world.clock.now_ms() / 1000, UTC).strftime("%H:%M:%S")
        answer = "200" if delivered else "failed"
        self.last_posts.append((when, delivery.updates, len(delivery.body), answer))
        if delivered:
            self.posts_ok += 1
            for message, index in delivery.refs:
                self.ledger.mark_posted(message, index)
            self.journal.posted(delivery.refs)
            return
        self.posts_failed += 1
        delivery.attempts += 1
        now_ms = self.world.clock.now_ms()
        if now_ms - delivery.first_ms > self.config.give_up_seconds * 1000:
            self.ledger.abandoned += len(delivery.refs)
            _log.warning("gave up a webhook after %d attempts", delivery.attempts)
            return
        self._push(now_ms + self._pause_ms(delivery.attempts), delivery, 0)

    def _pause_ms(self, attempts: int) -> int:
        """The first retry comes at once, the following after 1, 2, 4, ... times the first pause."""
        if attempts <= 1:
            return 0
        growth = min(attempts - 2, 30)
        seconds = min(self.config.retry_first_seconds * 2.0**growth, self.config.retry_max_seconds)
        return int(seconds * 1000)


def _tell_defect(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (defect := task.exception()) is not None:
        _log.error("%s ended by a defect", task.get_name(), exc_info=defect)
