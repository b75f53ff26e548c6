"""The sandbox's own API under /sandbox: what it saw, what shall go wrong, what users do."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.acceptance import Sandbox
from sandbox.callback_check import verify_callback
from sandbox.config import FaultConfig, Section
from sandbox.errors import GraphError
from sandbox.inbound import InboundRequest, receive

_Model = TypeVar("_Model", bound=BaseModel)
_ROWS: Final = 100
_ROWS_MOST: Final = 10_000
_TEMPLATE_STATUSES: Final = frozenset({"APPROVED", "PAUSED", "DISABLED", "REJECTED", "PENDING"})


class CallbackRequest(Section):
    """A new app-wide callback; `verify` asks for the handshake first."""

    url: str | None
    verify: bool = False


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
    ]


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
        return _json(receive(self._sandbox, _read(InboundRequest, await request.body())))

    async def template_status(self, request: Request) -> Response:
        """Pause, disable, reject or approve a template, with its webhook."""
        wanted = _read(TemplateStatusRequest, await request.body())
        template = self._sandbox.world.templates.get(wanted.id)
        if template is None or wanted.status.upper() not in _TEMPLATE_STATUSES:
            raise GraphError(100, title="There is no such template or status")
        self._sandbox.set_template_status(template, wanted.status.upper())
        return _json({"id": template.id, "status": template.status})

    async def media(self, request: Request) -> Response:
        """The bytes of an uploaded file; needs a token, like Meta's link."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        bearer = token if scheme.lower() == "bearer" else None
        self._sandbox.world.authorise(bearer, self._sandbox.clock.now_ms())
        media = self._sandbox.world.media.get(request.path_params["media_id"])
        if media is None:
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


def _integer(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isdigit() else default
