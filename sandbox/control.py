"""The sandbox's own API under /sandbox: what it saw, what shall go wrong, what users do."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import orjson
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.acceptance import Sandbox
from sandbox.callback_check import verify_callback
from sandbox.config import FaultConfig, Section
from sandbox.control_world import (
    ClockRequest,
    NumberRequest,
    PortfolioRequest,
    TemplateRequest,
    TokenRequest,
    WebhookRequest,
    change_number,
    change_portfolio,
    change_template,
    change_token,
    move_clock,
    send_webhook,
    tell_clock,
    tell_limits,
)
from sandbox.errors import GraphError
from sandbox.inbound import InboundRequest, receive
from sandbox.ledger import Wanted
from sandbox.live import snapshot
from sandbox.phones import wa_id_of

_Model = TypeVar("_Model", bound=BaseModel)
_ROWS: Final = 100
_ROWS_MOST: Final = 10_000
_TEMPLATE_STATUSES: Final = frozenset({"APPROVED", "PAUSED", "DISABLED", "REJECTED", "PENDING"})


class CallbackRequest(Section):
    """A new app-wide callback; `verify` asks for the handshake first."""

    url: str | None
    verify: bool = False


class OutageRequest(Section):
    """How long nobody listens on the port."""

    seconds: Annotated[float, Field(gt=0, le=3600)]


class TemplateStatusRequest(Section):
    """A new status of a template."""

    id: str
    status: str


def control_routes(sandbox: Sandbox) -> list[Route]:
    """The routes of the control API; they need no token and are meant for this machine only."""
    control = Control(sandbox)
    return [
        Route("/health", control.health),
        Route("/ledger/summary", control.ledger_summary),
        Route("/ledger", control.ledger_rows),
        Route("/faults", _errors_told(control.get_faults), methods=["GET"]),
        Route("/faults", _errors_told(control.post_faults), methods=["POST"]),
        Route("/reset", control.reset, methods=["POST"]),
        Route("/callback", _errors_told(control.callback), methods=["POST"]),
        Route("/inbound", _errors_told(control.inbound), methods=["POST"]),
        Route("/templates/status", _errors_told(control.template_status), methods=["POST"]),
        Route("/media/{media_id}", _errors_told(control.media)),
        Route("/live", control.live, methods=["GET"]),
        Route("/clock", control.get_clock, methods=["GET"]),
        Route("/limits", control.get_limits, methods=["GET"]),
        Route("/outage", _errors_told(control.outage), methods=["POST"]),
        _changing("/clock", sandbox, ClockRequest, move_clock),
        _changing("/numbers", sandbox, NumberRequest, change_number),
        _changing("/portfolios", sandbox, PortfolioRequest, change_portfolio),
        _changing("/tokens", sandbox, TokenRequest, change_token),
        _changing("/templates", sandbox, TemplateRequest, change_template),
        _changing("/webhooks", sandbox, WebhookRequest, send_webhook),
    ]


def _changing(
    path: str,
    sandbox: Sandbox,
    model: type[_Model],
    change: Callable[[Sandbox, _Model], dict[str, object]],
) -> Route:
    """A POST whose body is `model` and whose answer is what `change` returns."""

    async def endpoint(request: Request) -> Response:
        return _json(change(sandbox, _read(model, await request.body())))

    return Route(path, _errors_told(endpoint), methods=["POST"])


_Endpoint = Callable[[Request], Awaitable[Response]]


def _errors_told(endpoint: _Endpoint) -> _Endpoint:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ValidationError as error:
            problems = orjson.loads(error.json(include_url=False, include_input=False))
            return JSONResponse({"errors": problems}, status_code=422)
        except GraphError as error:
            return JSONResponse({"errors": [{"msg": str(error), "code": error.code}]}, 422)

    return answer


class Control:
    """The endpoints, one method each."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def health(self, request: Request) -> Response:
        """Alive, with how much is waiting; 500 when a defect has stopped the webhooks."""
        del request
        dispatcher = self._sandbox.dispatcher
        defect = dispatcher.broken()
        if defect is not None:
            return JSONResponse({"status": f"callbacks stopped: {type(defect).__name__}"}, 500)
        return _json(
            {
                "status": "ok",
                "accepted_total": len(self._sandbox.ledger.messages),
                "callbacks_waiting": dispatcher.waiting(),
            }
        )

    async def ledger_summary(self, request: Request) -> Response:
        """Totals, duplicates, statuses; what a crash test judges by."""
        del request
        return _json(summary(self._sandbox))

    async def ledger_rows(self, request: Request) -> Response:
        """Accepted sends by `after` (a seq) and `limit`; `next_after` is null at the end."""
        wanted = Wanted(
            opaque=request.query_params.get("biz_opaque_callback_data"),
            wamid=request.query_params.get("wamid"),
            wa_id=_digits(request.query_params.get("recipient")),
            number_id=request.query_params.get("phone_number_id"),
        )
        if wanted != Wanted():
            found = [self._sandbox.ledger.describe(m) for m in self._sandbox.ledger.find(wanted)]
            return _json({"data": found[:_ROWS_MOST], "next_after": None})
        after = _integer(request, "after", 0)
        limit = min(_integer(request, "limit", _ROWS), _ROWS_MOST)
        rows = list(self._sandbox.ledger.rows(after, limit))
        end = after + len(rows)
        more = end < len(self._sandbox.ledger.messages)
        return _json({"data": rows, "next_after": end if more else None})

    async def get_faults(self, request: Request) -> Response:
        """The faults in force."""
        del request
        return _json(self._sandbox.faults.config.model_dump(mode="json"))

    async def post_faults(self, request: Request) -> Response:
        """Replace all faults; an empty object turns every one off."""
        faults = _read(FaultConfig, await request.body())
        self._sandbox.set_faults(faults)
        return _json(faults.model_dump(mode="json"))

    async def reset(self, request: Request) -> Response:
        """Forget every message, window and debt; accounts, templates, faults, callback stay."""
        del request
        self._sandbox.reset()
        return _json({"reset": True})

    async def callback(self, request: Request) -> Response:
        """Set or (with null) remove the app-wide callback."""
        wanted = _read(CallbackRequest, await request.body())
        if wanted.url is not None and wanted.verify:
            await verify_callback(wanted.url, self._sandbox.config.verify_token)
        self._sandbox.set_callback(wanted.url)
        return _json({"url": wanted.url})

    async def inbound(self, request: Request) -> Response:
        """Let a user write, or stop and resume marketing messages."""
        wanted = _read(InboundRequest, await request.body())
        base_url = str(request.base_url).removesuffix("/").removesuffix("/sandbox")
        return _json(receive(self._sandbox, wanted, base_url))

    async def template_status(self, request: Request) -> Response:
        """Pause, disable, reject or approve a template, with its webhook."""
        wanted = _read(TemplateStatusRequest, await request.body())
        template = self._sandbox.world.templates.get(wanted.id)
        if template is None or wanted.status.upper() not in _TEMPLATE_STATUSES:
            raise GraphError(100, title="There is no such template or status")
        self._sandbox.set_template_status(template, wanted.status.upper())
        return _json({"id": template.id, "status": template.status})

    async def live(self, request: Request) -> Response:
        """What the page shows."""
        del request
        return Response(snapshot(self._sandbox), media_type="application/json")

    async def get_clock(self, request: Request) -> Response:
        """The simulated time."""
        del request
        return _json(tell_clock(self._sandbox))

    async def get_limits(self, request: Request) -> Response:
        """Limits and how much of them is used."""
        del request
        return _json(tell_limits(self._sandbox))

    async def outage(self, request: Request) -> Response:
        """Refuse every connection for some seconds; only a sandbox that owns its port can."""
        wanted = _read(OutageRequest, await request.body())
        begin = self._sandbox.begin_outage
        if begin is None:
            raise GraphError(100, title="This sandbox doesn't own its port")
        begin(wanted.seconds)
        return _json({"seconds": wanted.seconds})

    async def media(self, request: Request) -> Response:
        """The bytes of an uploaded file; needs a token, like Meta's link."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        bearer = token if scheme.lower() == "bearer" else None
        self._sandbox.world.authorise(bearer, self._sandbox.clock.now_ms())
        media = self._sandbox.world.media.get(request.path_params["media_id"])
        until_ms = _integer(request, "until", 0)
        if media is None or until_ms < self._sandbox.clock.now_ms():
            return JSONResponse({"errors": [{"msg": "no such media"}]}, 404)
        return Response(media.content, media_type=media.mime_type)


def summary(sandbox: Sandbox) -> dict[str, object]:
    """The ledger's summary with what was delivered and how the callback answered."""
    dispatcher = sandbox.dispatcher
    return {
        **sandbox.ledger.summary(),
        "delivered_by_category": sandbox.analytics.delivered(),
        "callback_posts": {
            "ok": dispatcher.posts_ok,
            "failed": dispatcher.posts_failed,
            "waiting_updates": dispatcher.waiting(),
        },
    }


def _read(model: type[_Model], body: bytes) -> _Model:
    return model.model_validate_json(body or b"{}")


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


def _digits(phone: str | None) -> str | None:
    """A wa_id, or a phone in any spelling, as the wa_id that the ledger knows."""
    return wa_id_of("".join(filter(str.isdigit, phone))) if phone else None


def _integer(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isdigit() else default
