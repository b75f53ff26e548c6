"""/v1/quotes."""

from api.deps import CampaignsReader
from api.openapi import problems
from api.quotes import service
from api.quotes.schemas import AskQuote, Quote
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/quotes", tags=["campaigns"])


@router.post(
    "",
    operation_id="make_quote",
    summary="What messages would cost",
    responses=problems("not-found", "campaign-state"),
)
async def make_quote(caller: CampaignsReader, wanted: AskQuote) -> Quote:
    """Meta's list prices of the day, by market, category and window, as the plan of a campaign has
    them. What has no market or no rate is counted, and never priced zero. Changes nothing.
    """
    return await service.make_quote(caller, wanted)
