"""Prices messages as campaign plans are priced: `core.domain.quotes` for both."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ConfigDict

from api.deps import Caller
from api.dto import Answer
from api.problems import Problem
from api.quotes.schemas import AskQuote, PortionToQuote, Quote
from api.rows import fetch_known, fetch_one
from core.domain.ids import CampaignId
from core.domain.market import MarketMap
from core.domain.quotes import Portion, add_quotes, quote
from core.errors import InvalidInput
from core.store import plans
from core.store.database import Connection
from core.store.markets import read_market_map
from core.store.prices import read_prices
from core.store.queries import load

_sql = load("prices")
#: Of a plan's cost; a quote is not kept and so never priced anew.
_NOT_SHOWN: Final = frozenset({"repriced_at"})


class _Account(Answer):
    currency: str
    timezone: str


class _Line(Answer):
    market: str | None
    category: str
    in_window: bool
    in_free_entry_point: bool = False
    messages: int

    # What it cost then is passed over.
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Campaign(_Account):
    created_at: datetime
    status: str
    category: str
    send_at: datetime
    lines: list[_Line] | None
    is_dry_run: bool


async def make_quote(caller: Caller, wanted: AskQuote) -> Quote:
    """The price at the time that is asked for. Raises NotFound, InvalidInput, and Problem for a
    campaign that nobody has planned.
    """
    async with caller.transaction(snapshot=True) as connection:
        if wanted.campaign_id is not None:
            return await _of_campaign(connection, caller, wanted.campaign_id, wanted.send_at)
        return await _of_messages(connection, caller, wanted)


async def _of_messages(connection: Connection, caller: Caller, wanted: AskQuote) -> Quote:
    place = {"tenant_id": caller.tenant_id, "phone_number_id": wanted.phone_number_id}
    account = await fetch_one(connection, _Account, _sql.get_number_account, place)
    if account is None:
        raise InvalidInput("there is no such number", pointer="/phone_number_id")
    on_day = _day(account, wanted.send_at or caller.state.clock.now())
    markets = await read_market_map(connection)
    portions: dict[str, list[Portion]] = {}
    for asked in wanted.messages:
        portions.setdefault(asked.category, []).append(_portion(asked, markets, on_day))
    return await _priced(connection, account, on_day, portions, campaign_id=None)


async def _of_campaign(
    connection: Connection, caller: Caller, campaign_id: UUID, send_at: datetime | None
) -> Quote:
    place = {"tenant_id": caller.tenant_id, "campaign_id": campaign_id}
    campaign = await fetch_known(connection, _Campaign, _sql.get_campaign, place, what="campaign")
    if campaign.lines is None:
        raise Problem(
            "campaign-state",
            "nobody has planned the campaign; a dry run is enough",
            extra={"status_now": campaign.status},
        )
    portions: dict[str, list[Portion]] = {}
    if campaign.is_dry_run:
        for line in campaign.lines:
            portions.setdefault(line.category, []).append(
                Portion(
                    market=line.market,
                    in_window=line.in_window,
                    in_free_entry=line.in_free_entry_point,
                    messages=line.messages,
                )
            )
    else:
        key = plans.plan_key(caller.tenant_id, CampaignId(campaign_id), campaign.created_at)
        for part in await plans.count_unsent(connection, key):
            portions.setdefault(part.category, []).append(
                Portion(
                    market=part.market,
                    in_window=part.in_window,
                    in_free_entry=part.in_free_entry,
                    messages=part.people,
                )
            )
    on_day = _day(campaign, send_at or campaign.send_at)
    return await _priced(
        connection,
        campaign,
        on_day,
        portions or {campaign.category: []},
        campaign_id=campaign_id,
    )


async def _priced(
    connection: Connection,
    account: _Account,
    on_day: date,
    portions: Mapping[str, Iterable[Portion]],
    *,
    campaign_id: UUID | None,
) -> Quote:
    quotes = [
        quote(
            portions[category],
            await read_prices(
                connection, currency=account.currency, category=category, on_day=on_day
            ),
        )
        for category in sorted(portions)
    ]
    cost = {name: value for name, value in add_quotes(quotes).items() if name not in _NOT_SHOWN}
    return Quote.model_validate({"campaign_id": campaign_id, **cost})


def _portion(asked: PortionToQuote, markets: MarketMap, on_day: date) -> Portion:
    market = asked.market
    if asked.country is not None:
        market = markets.market_of_country(asked.country, on_day)
    return Portion(
        market=market,
        in_window=asked.in_window,
        in_free_entry=asked.in_free_entry_point,
        messages=asked.messages,
    )


def _day(account: _Account, at: datetime) -> date:
    """The account's day of an instant: Meta's prices change with it."""
    return at.astimezone(ZoneInfo(account.timezone)).date()
