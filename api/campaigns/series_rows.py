"""A series as it is stored, what an approval of it covers, and how it is shown."""

import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from api.campaigns.series_schemas import (
    CampaignSeries,
    Recurrence,
    SeriesStatus,
    StandingApproval,
)
from api.dto import Answer
from core.domain.schedules import Rule, parse_rule


class Series(Answer):
    """A series as stored, with its template and tenant as they are now."""

    series_id: UUID
    name: str
    phone_number_id: str
    template_id: UUID
    list_id: UUID
    segment_id: UUID | None
    segment_filter: str | None = Field(exclude=True)
    segment_updated_at: datetime | None = Field(exclude=True)
    parameters: dict[str, Any]
    experiment: dict[str, Any] | None
    canary: dict[str, Any] | None
    local_delivery: bool
    starts_at: datetime
    rule: str
    max_lateness_seconds: int
    lead_seconds: int
    status: SeriesStatus
    next_local: datetime | None
    next_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    approved_template_version_hash: str | None
    approved_category: str | None
    approved_variant_hashes: dict[str, str] | None
    created_by: str
    changed_by: str
    created_at: datetime
    updated_at: datetime
    version_hash: str
    category: str
    variant_hashes: dict[str, str] | None
    timezone: str
    four_eyes: bool = Field(exclude=True)
    changed_by_person: str = Field(exclude=True)

    def covered(self) -> dict[str, object]:
        """What a standing approval is of; a change of any of it ends the approval."""
        return {
            "phone_number_id": self.phone_number_id,
            "template_id": str(self.template_id),
            **self._audience(),
            "parameters": self.parameters,
            "experiment": self.experiment,
            "canary": self.canary,
            "local_delivery": self.local_delivery,
            "starts_at": self.starts_at.isoformat(),
            "rule": self.rule,
        }

    def _audience(self) -> dict[str, str]:
        if self.segment_id is not None:
            return {"segment_id": str(self.segment_id)}
        return {"list_id": str(self.list_id)}

    @property
    def approval_hash(self) -> str:
        """Names what is approved: with the templates' present versions and category, and the
        segment's present filter.
        """
        versions = [self.version_hash, self.category, self.variant_hashes]
        if self.segment_filter is not None:
            versions.append(self.segment_filter)
        text = json.dumps([self.covered(), *versions], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def recurrence_of(rule: Rule) -> Recurrence:
    """A rule as it is asked for."""
    return Recurrence(
        frequency=rule.frequency.value,
        interval=rule.interval,
        weekdays=sorted(rule.weekdays),
        month_day=rule.month_day,
        until=rule.until,
        count=rule.count,
    )


def _approval(series: Series) -> StandingApproval | None:
    pinned = series.approved_template_version_hash
    if series.approved_by is None or series.approved_at is None or pinned is None:
        return None
    approved = (pinned, series.approved_category, series.approved_variant_hashes)
    changed_at = series.segment_updated_at
    same_people = changed_at is None or changed_at <= series.approved_at
    return StandingApproval(
        approved_by=series.approved_by,
        approved_at=series.approved_at,
        template_version_hash=pinned,
        holds=same_people
        and approved == (series.version_hash, series.category, series.variant_hashes),
    )


def shown(series: Series) -> CampaignSeries:
    """A series as its tenant sees it."""
    kept = CampaignSeries.model_fields.keys() & Series.model_fields.keys()
    return CampaignSeries(
        **{name: getattr(series, name) for name in kept},
        starts_local=series.starts_at,
        recurrence=recurrence_of(parse_rule(series.rule)),
        lead_minutes=series.lead_seconds // 60,
        max_lateness_minutes=series.max_lateness_seconds // 60,
        approval_hash=series.approval_hash,
        standing_approval=_approval(series),
    )
