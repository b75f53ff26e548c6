"""The sandbox of the demo: three accounts at Meta, their templates, their prices, and bad days.

The prices are those of the shipped public rate cards, but read here on their own way and handed
to the sandbox by country: the reconciliation compares two computations, not one with itself.
"""

import csv
from collections.abc import Sequence
from datetime import date

from carteiro.demo.people import DemoTenant
from core.store.rate_cards import SHIPPED_MARKETS, SHIPPED_RATES

#: Countries that the invented numbers belong to.
COUNTRIES = ("BR", "PT", "IN", "US", "DE")
#: Meta's real codes by webhook, with shares a healthy campaign sees.
FAILED_WEBHOOKS = {"131026": 0.02, "131049": 0.008, "131000": 0.001}


def sandbox_world(people: Sequence[DemoTenant], *, seed: int, today: date) -> dict[str, object]:
    """A sandbox configuration (docs/sandbox.md); the stack adds secrets and the callback."""
    return {
        "seed": seed,
        "tokens": [
            {"token": meta_token(tenant), "waba_ids": [tenant.waba_id]} for tenant in people
        ],
        "wabas": [_account(tenant) for tenant in people],
        "delivery": {
            "sent_ms": [60, 400],
            "delivered_ms": [400, 2500],
            "read_ms": [2000, 7000],
            "read_probability": 0.55,
        },
        "callback": {"batch_size": 100, "flush_interval_ms": 100},
        "faults": {
            "failed_webhooks": FAILED_WEBHOOKS,
            "answers": {"drop_accepted": 0.001, "http_500_unaccepted": 0.001},
            "duplicate_status": 0.03,
            "late_status": 0.02,
            "late_ms": [3000, 9000],
            "out_of_order": 0.04,
            "missing_delivered": 0.02,
        },
        "rates": _rates({tenant.currency for tenant in people}, today),
    }


def meta_token(tenant: DemoTenant) -> str:
    """The access token the sandbox knows a tenant's account by."""
    return f"EAAsandbox{tenant.waba_id}"


def _account(tenant: DemoTenant) -> dict[str, object]:
    return {
        "id": tenant.waba_id,
        "name": tenant.name,
        "currency": tenant.currency,
        "timezone": tenant.timezone,
        "portfolio_id": tenant.portfolio_id,
        "numbers": [
            {
                "id": tenant.phone_number_id,
                "display_phone_number": tenant.display_phone_number,
                "verified_name": tenant.name,
                "throughput_mps": tenant.throughput_per_second,
            }
        ],
        "templates": [
            {
                "name": tenant.template,
                "language": tenant.template_language,
                "category": tenant.category,
                "components": [
                    {
                        "type": "BODY",
                        "text": tenant.body,
                        "example": {"body_text": [[tenant.names[0], tenant.stores[0]]]},
                    }
                ],
            }
        ],
    }


def _rates(currencies: set[str], today: date) -> list[dict[str, object]]:
    markets = _market_of_country(today)
    rows: list[dict[str, object]] = []
    with SHIPPED_RATES.open(encoding="utf-8", newline="") as file:
        cards = [row for row in csv.DictReader(file) if row["effective_from"] <= today.isoformat()]
    for country in COUNTRIES:
        for currency in sorted(currencies):
            of_market = [
                row
                for row in cards
                if row["market"] == markets[country] and row["currency"] == currency
            ]
            newest = {row["category"]: row["effective_from"] for row in _by_date(of_market)}
            rows += [
                {
                    "country": country,
                    "category": row["category"].upper(),
                    "rate": row["rate"],
                    "currency": row["currency"],
                    "effective_from": row["effective_from"],
                }
                for row in of_market
                # The first volume tier; ten thousand messages never leave it.
                if row["effective_from"] == newest[row["category"]] and row["tier_from"] == "1"
            ]
    return rows


def _by_date(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(rows, key=lambda row: row["effective_from"])


def _market_of_country(today: date) -> dict[str, str]:
    with SHIPPED_MARKETS.open(encoding="utf-8", newline="") as file:
        return {
            row["iso"]: row["market"]
            for row in csv.DictReader(file)
            if row["valid_from"] <= today.isoformat()
            and not (row["valid_to"] and row["valid_to"] <= today.isoformat())
        }
