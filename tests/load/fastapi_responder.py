"""The peer of the bare sandbox: the shortest FastAPI handler that answers a send."""

import itertools
from typing import Annotated, Any

from fastapi import Body, FastAPI

app = FastAPI()
_numbers = itertools.count(1)


@app.get("/")
async def alive() -> dict[str, bool]:
    """Answers once it serves."""
    return {"alive": True}


@app.post("/v26.0/{number_id}/messages")
async def send(number_id: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    """A wamid for any send."""
    del number_id
    to = body["to"]
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": to, "wa_id": to[1:]}],
        "messages": [{"id": f"wamid.{next(_numbers):032d}", "message_status": "accepted"}],
    }
