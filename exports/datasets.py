"""What a tenant may take away: columns, order and meaning of each dataset.

The queries stand in core/store/export_datasets.sql; each is cut to a tenant and has a total order.
A dataset's version changes with its columns; a consumer reads the version from the manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from core.errors import InvalidInput


class Source(StrEnum):
    """Which database a dataset is read from."""

    WAREHOUSE = "warehouse"
    LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A named query and how its file is described; `decimals` are columns of exact numbers."""

    name: str
    version: int
    source: Source
    decimals: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What an export is cut by: days from (inclusive) to (exclusive), and one campaign."""

    from_date: date | None = None
    to_date: date | None = None
    campaign_id: UUID | None = None

    @classmethod
    def parse(cls, raw: Mapping[str, object]) -> "Filters":
        """Read `{"from": "2026-11-01", "to": ..., "campaign_id": ...}`; raises InvalidInput."""
        unknown = sorted(set(raw) - {"from", "to", "campaign_id"})
        if unknown:
            raise InvalidInput(f"there is no filter {', '.join(unknown)}", pointer="/filters")
        try:
            return cls(
                from_date=date.fromisoformat(str(raw["from"])) if raw.get("from") else None,
                to_date=date.fromisoformat(str(raw["to"])) if raw.get("to") else None,
                campaign_id=UUID(str(raw["campaign_id"])) if raw.get("campaign_id") else None,
            )
        except ValueError as error:
            raise InvalidInput("a filter cannot be read", pointer="/filters") from error

    def parameters(self) -> dict[str, object]:
        """The parameters of a dataset's query."""
        return {"from": self.from_date, "to": self.to_date, "campaign_id": self.campaign_id}

    def described(self) -> dict[str, str]:
        """The filters that are set, as the manifest shows them."""
        return {name: str(value) for name, value in self.parameters().items() if value is not None}


MESSAGES: Final = Dataset(name="messages", version=1, source=Source.WAREHOUSE)
EVENTS: Final = Dataset(name="events", version=1, source=Source.WAREHOUSE)
USAGE: Final = Dataset(name="usage", version=1, source=Source.WAREHOUSE)
INVOICES: Final = Dataset(
    name="invoices",
    version=1,
    source=Source.LIVE,
    decimals=frozenset({"quantity", "unit_price", "net", "tax"}),
)
DATASETS: Final[Mapping[str, Dataset]] = MappingProxyType(
    {dataset.name: dataset for dataset in (MESSAGES, EVENTS, USAGE, INVOICES)}
)


def dataset_named(name: str) -> Dataset:
    """The dataset of a name. Raises InvalidInput listing the names there are."""
    if name not in DATASETS:
        raise InvalidInput(f"there is no dataset {name}; choose one of {', '.join(DATASETS)}")
    return DATASETS[name]
