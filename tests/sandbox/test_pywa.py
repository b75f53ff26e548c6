"""pywa 4.5.0, a client we didn't write, against the sandbox."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pywa.client import WhatsApp
from pywa.errors import TemplateNotExists
from pywa.handlers import MessageHandler, MessageStatusHandler
from pywa.types.message import Message
from pywa.types.message_status import MessageStatus, MessageStatusType
from pywa.types.others import Pagination
from pywa.types.templates import BodyText, TemplateLanguage, TemplateStatus

from sandbox.config import NumberConfig
from tests.support.sandboxes import RunningSandbox, quick_config, running_sandbox, serving


class Bot:
    """A pywa client with its own webhook server, and what its handlers were given."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.server = FastAPI()
        self.statuses: list[Any] = []
        self.messages: list[Any] = []
        self.changed = threading.Condition()
        self.session = httpx.Client()
        self.wa = WhatsApp(
            phone_id=sandbox.number_id,
            token=sandbox.token,
            waba_id=sandbox.waba_id,
            session=self.session,
            server=self.server,
            webhook_endpoint="/hook",
            verify_token="verify-me",
            app_secret=sandbox.app.sandbox.config.app_secret,
        )
        # pywa knows no other host than Meta's and overwrites the base URL in its constructor.
        self.session.base_url = httpx.URL(f"{sandbox.base_url}/v26.0")
        self.wa.add_handlers(
            MessageStatusHandler(self._on_status), MessageHandler(self._on_message)
        )

    def _on_status(self, _: WhatsApp, status: MessageStatus[Any]) -> None:
        with self.changed:
            self.statuses.append(status)
            self.changed.notify_all()

    def _on_message(self, _: WhatsApp, message: Message) -> None:
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def wait(self, kind: str, count: int) -> list[Any]:
        with self.changed:
            found: list[Any] = getattr(self, kind)
            assert self.changed.wait_for(lambda: len(found) >= count, timeout=15), found
            return list(found)


@pytest.fixture
def bot() -> Iterator[Bot]:
    config = quick_config()
    second = NumberConfig(id="22", display_phone_number="+55 11 95550-0102")
    config.wabas[0].numbers.append(second)
    with running_sandbox(config) as sandbox:
        bot = Bot(sandbox)
        with serving(bot.server) as base_url, bot.session:
            sandbox.control("callback", {"url": f"{base_url}/hook", "verify": True})
            yield bot


def test_pywa_sends_a_template_and_follows_it_to_read(bot: Bot) -> None:
    sent = bot.wa.send_template(
        to="+5511955550123",
        name="order_update",
        language=TemplateLanguage.PORTUGUESE_BR,
        params=[
            {
                "type": "body",
                "parameters": [{"type": "text", "text": t} for t in ("Zoë", "A-1", "já")],
            },
            {
                "type": "button",
                "sub_type": "url",
                "index": 0,
                "parameters": [{"type": "text", "text": "A-1"}],
            },
        ],
        tracker="tracker-é",
    )

    statuses = bot.wait("statuses", 3)

    assert [s.status for s in statuses] == [
        MessageStatusType.SENT,
        MessageStatusType.DELIVERED,
        MessageStatusType.READ,
    ]
    assert {s.id for s in statuses} == {sent.id}
    assert {s.tracker for s in statuses} == {"tracker-é"}
    assert statuses[0].pricing.billable
    assert statuses[0].from_user.wa_id == "5511955550123"
    assert statuses[0].from_user.bsuid.startswith("BR.")


def test_pywa_answers_a_user_with_a_text(bot: Bot) -> None:
    bot.sandbox.control("inbound", {"from": "+5511955550123", "text": "Olá, tudo bem? 🌟"})
    message = bot.wait("messages", 1)[0]

    reply = message.reply("Tudo!")

    assert message.text == "Olá, tudo bem? 🌟"
    assert {s.id for s in bot.wait("statuses", 3)} == {reply.id}
    assert message.mark_as_read()


def test_pywa_lists_the_templates(bot: Bot) -> None:
    # Not page by page: `next()` of a template list raises TypeError inside pywa 4.5.0 itself.
    page = bot.wa.get_templates(
        statuses=[TemplateStatus.APPROVED, TemplateStatus.PAUSED], pagination=Pagination(limit=2)
    )

    assert [template.name for template in page] == ["hello_world", "order_update"]
    assert (page.total_count, page.has_next) == (3, True)
    body = next(c for c in page[1].components if isinstance(c, BodyText))
    assert body.text.startswith("Olá {{1}}")


def test_pywa_walks_the_numbers_of_the_account_page_by_page(bot: Bot) -> None:
    first = bot.wa.get_business_phone_numbers(pagination=Pagination(limit=1))
    second = first.next()

    assert [number.id for number in first] == [bot.sandbox.number_id]
    assert first[0].display_phone_number == "+55 11 95550-0101"
    assert [number.id for number in second] == ["22"]
    assert not second.has_next
    assert [number.id for number in second.previous()] == [bot.sandbox.number_id]


def test_pywa_recognises_the_errors(bot: Bot) -> None:
    with pytest.raises(TemplateNotExists):
        bot.wa.send_template(
            to="+5511955550123", name="missing", language=TemplateLanguage.ENGLISH_US, params=[]
        )
