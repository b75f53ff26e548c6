"""Everything that isn't sending: numbers, accounts, templates, subscriptions, tokens."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from sandbox.acceptance import Sandbox
from sandbox.callback_check import verify_callback
from sandbox.clock import HOUR_MS
from sandbox.errors import GraphError, object_missing
from sandbox.graph import GraphAnswer, GraphRequest, Handler
from sandbox.listing import asked_fields, only, page
from sandbox.messages import (
    get_message_history,
    media_node,
    post_marketing_message,
    post_media,
    post_message,
)
from sandbox.policies import tier_name
from sandbox.sending import parse_body
from sandbox.template_nodes import (
    create_template,
    delete_template,
    edit_template,
    get_template,
    list_templates,
    unpause_template,
)
from sandbox.world import Number

_NUMBER_FIELDS_BY_DEFAULT: Final = (
    "verified_name",
    "code_verification_status",
    "display_phone_number",
    "quality_rating",
    "platform_type",
    "throughput",
    "webhook_configuration",
    "id",
)
_PIN = re.compile(r"[0-9]{6}")
_PIN_TRIES: Final = 10
_PIN_LOCK_MS: Final = 72 * HOUR_MS
_FIELD_WITH_CALLS = re.compile(r"[a-z_]+(?:\.\w+\([^()]*\))*")


def get_node(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """GET /{id}: a number, an account, a template or a media file."""
    world = sandbox.world
    if request.node == "debug_token":
        return _debug_token(sandbox, request)
    if request.node in world.numbers:
        number = world.number(request.node, request.token, "GET")
        node = _number_node(sandbox, number)
        fields = asked_fields(request, _NUMBER_FIELDS_BY_DEFAULT)
        return GraphAnswer(only(node, fields), waba_id=number.waba.id)
    if request.node in world.wabas:
        return _waba_node(sandbox, request)
    if request.node in world.media:
        return media_node(sandbox, request, world.media[request.node])
    return get_template(sandbox, request)


async def post_node(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """POST /{id}: a number's callback override (verified first), or a template's new content."""
    if request.node in sandbox.world.numbers:
        number = sandbox.world.number(request.node, request.token, "POST")
        override = parse_body(request.body).get("webhook_configuration")
        if isinstance(override, dict):
            url = str(override.get("override_callback_uri") or "") or None
            if url is not None:
                await verify_callback(url, str(override.get("verify_token") or ""))
            number.callback_url = url
        return GraphAnswer({"success": True}, waba_id=number.waba.id)
    return edit_template(sandbox, request)


def delete_node(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """DELETE /{media_id}."""
    media = sandbox.world.media.get(request.node)
    if media is None:
        raise object_missing(request.node, "DELETE")
    return media_node(sandbox, request, media)


def list_numbers(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """GET /{waba_id}/phone_numbers."""
    waba = sandbox.world.waba(request.node, request.token, "GET")
    fields = asked_fields(request, _NUMBER_FIELDS_BY_DEFAULT)
    numbers = [n for n in sandbox.world.numbers.values() if n.waba is waba]
    rows = [only(_number_node(sandbox, number), fields) for number in numbers]
    return GraphAnswer(page(request, rows), waba_id=waba.id)


def get_subscribed_apps(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """GET /{waba_id}/subscribed_apps."""
    waba = sandbox.world.waba(request.node, request.token, "GET")
    app: dict[str, object] = {
        "whatsapp_business_api_data": {
            "id": sandbox.config.app_id,
            "link": "https://www.facebook.com/games/?app_id=" + sandbox.config.app_id,
            "name": "Carteiro sandbox",
        }
    }
    if waba.callback_url:
        app["override_callback_uri"] = waba.callback_url
    return GraphAnswer({"data": [app] if waba.subscribed else []}, waba_id=waba.id)


async def post_subscribed_apps(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """POST /{waba_id}/subscribed_apps: webhooks of the account flow; optionally to its own URL."""
    waba = sandbox.world.waba(request.node, request.token, "POST")
    body = parse_body(request.body) if request.body.strip() else {}
    url = body.get("override_callback_uri") or request.query.get("override_callback_uri")
    if url:
        token = body.get("verify_token") or request.query.get("verify_token") or ""
        await verify_callback(str(url), str(token))
        waba.callback_url = str(url)
    else:
        waba.callback_url = None
    waba.subscribed = True
    return GraphAnswer({"success": True}, waba_id=waba.id)


def delete_subscribed_apps(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """DELETE /{waba_id}/subscribed_apps: no webhooks for this account any more."""
    waba = sandbox.world.waba(request.node, request.token, "DELETE")
    waba.subscribed = False
    return GraphAnswer({"success": True}, waba_id=waba.id)


async def post_subscriptions(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """POST /{app_id}/subscriptions: the app-wide callback, verified before it counts."""
    if request.node != sandbox.config.app_id:
        raise object_missing(request.node, "POST")
    fields = {**dict(request.query), **_form_or_json(request)}
    if fields.get("object") != "whatsapp_business_account":
        raise GraphError(100, title="Param object must be one of {WHATSAPP_BUSINESS_ACCOUNT}")
    url, token = fields.get("callback_url"), fields.get("verify_token", "")
    if not url:
        raise GraphError(100, title="The parameter callback_url is required")
    await verify_callback(str(url), str(token))
    sandbox.set_callback(str(url))
    return GraphAnswer({"success": True})


def _form_or_json(request: GraphRequest) -> dict[str, object]:
    if not request.body.strip():
        return {}
    if request.content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(request.body.decode()))
    return parse_body(request.body)


def _waba_node(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    waba = sandbox.world.waba(request.node, request.token, "GET")
    config = waba.config
    node: dict[str, object] = {
        "id": config.id,
        "name": config.name,
        "currency": config.currency,
        "timezone_id": config.timezone,
        "message_template_namespace": f"ns_{config.id}",
        "account_review_status": "APPROVED",
        "business_verification_status": "verified",
        "ownership_type": "SELF",
        "owner_business_info": {"id": config.portfolio_id, "name": config.name},
    }
    chosen: dict[str, object] = {}
    asked = request.query.get("fields", "id,name,timezone_id,message_template_namespace")
    for expression in _FIELD_WITH_CALLS.findall(asked):
        name = expression.partition(".")[0]
        if name == "pricing_analytics":
            chosen[name] = sandbox.analytics.answer(waba, expression)
        elif name in node:
            chosen[name] = node[name]
    chosen["id"] = config.id
    return GraphAnswer(chosen, waba_id=waba.id)


def _number_node(sandbox: Sandbox, number: Number) -> dict[str, object]:
    config = number.config
    level = "HIGH" if config.throughput_mps >= 1000 else "STANDARD"
    callbacks = {
        "phone_number": number.callback_url,
        "whatsapp_business_account": number.waba.callback_url,
        "application": sandbox.world.app_callback_url,
    }
    return {
        "verified_name": config.verified_name,
        "code_verification_status": "VERIFIED",
        "display_phone_number": config.display_phone_number,
        "quality_rating": number.quality,
        "platform_type": "CLOUD_API",
        "throughput": {"level": level},
        "status": number.state,
        "name_status": "APPROVED",
        "account_mode": "SANDBOX",
        "whatsapp_business_manager_messaging_limit": tier_name(
            sandbox.world.portfolio(number).people_per_day
        ),
        "webhook_configuration": {name: url for name, url in callbacks.items() if url},
        "id": config.id,
    }


def _debug_token(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    asked = sandbox.world.tokens.get(request.query.get("input_token", ""))
    if asked is None:
        error = {"code": 190, "message": "The access token could not be decrypted"}
        return GraphAnswer({"data": {"error": error, "is_valid": False, "scopes": []}})
    targets = list(sandbox.world.wabas) if asked.waba_ids is None else asked.waba_ids
    scopes = ["whatsapp_business_management", "whatsapp_business_messaging"]
    expires = int(asked.expires_at.timestamp()) if asked.expires_at else 0
    data = {
        "app_id": sandbox.config.app_id,
        "type": "SYSTEM_USER",
        "application": "Carteiro sandbox",
        "data_access_expires_at": 0,
        "expires_at": expires,
        "is_valid": expires == 0 or expires * 1000 > sandbox.clock.now_ms(),
        "issued_at": 0,
        "scopes": scopes,
        "granular_scopes": [{"scope": scope, "target_ids": targets} for scope in scopes],
        "user_id": "100000000000001",
    }
    return GraphAnswer({"data": data})


def register_number(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """POST /{number}/register with its PIN; ten wrong ones lock it for 72 hours (133016)."""
    number = sandbox.world.numbers.get(request.node)
    if number is None:
        raise object_missing(request.node, "POST")
    sandbox.world.waba(number.waba.id, request.token, "POST")
    body = parse_body(request.body)
    now_ms = sandbox.clock.now_ms()
    if number.pin_locked_until_ms > now_ms:
        raise GraphError(133016)
    pin = str(body.get("pin") or "")
    if body.get("messaging_product") != "whatsapp" or not _PIN.fullmatch(pin):
        raise GraphError(100, title="Param pin must be 6 digits, messaging_product whatsapp")
    if number.pin is not None and pin != number.pin:
        number.wrong_pins += 1
        if number.wrong_pins >= _PIN_TRIES:
            number.wrong_pins = 0
            number.pin_locked_until_ms = now_ms + _PIN_LOCK_MS
        raise GraphError(133005)
    number.pin, number.state, number.wrong_pins = pin, "CONNECTED", 0
    return GraphAnswer({"success": True}, waba_id=number.waba.id)


def delete_contact(sandbox: Sandbox, request: GraphRequest) -> GraphAnswer:
    """DELETE /{number}/contact_book: Meta forgets which phone a BSUID has."""
    number = sandbox.world.number(request.node, request.token, "DELETE")
    portfolio = number.waba.config.portfolio_id
    wa_id = sandbox.world.wa_id_of_bsuid(portfolio, request.query.get("bsuid", ""))
    if wa_id is None:
        raise GraphError(100, title="Param bsuid is not a user of this business")
    deleted = (portfolio, wa_id) in sandbox.world.contact_book
    sandbox.world.contact_book.discard((portfolio, wa_id))
    return GraphAnswer({"success": True, "deleted": deleted}, waba_id=number.waba.id)


HANDLERS: Final[Mapping[tuple[str, str], Handler]] = {
    ("POST", "messages"): post_message,
    ("POST", "marketing_messages"): post_marketing_message,
    ("GET", "message_history"): get_message_history,
    ("POST", "media"): post_media,
    ("POST", "register"): register_number,
    ("DELETE", "contact_book"): delete_contact,
    ("GET", ""): get_node,
    ("POST", ""): post_node,
    ("DELETE", ""): delete_node,
    ("GET", "phone_numbers"): list_numbers,
    ("GET", "message_templates"): list_templates,
    ("POST", "message_templates"): create_template,
    ("DELETE", "message_templates"): delete_template,
    ("POST", "unpause"): unpause_template,
    ("GET", "subscribed_apps"): get_subscribed_apps,
    ("POST", "subscribed_apps"): post_subscribed_apps,
    ("DELETE", "subscribed_apps"): delete_subscribed_apps,
    ("POST", "subscriptions"): post_subscriptions,
}
