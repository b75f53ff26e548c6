"""What was said about a contact file when it came; kept with the import until it has ended."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.store.consents import Basis


class Claim(BaseModel):
    """How the people of a file are said to have agreed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: str
    text_version: str
    evidence: str | None = None

    def basis(self) -> Basis:
        """The claim as the ledger keeps it."""
        found = {"claimed": self.evidence} if self.evidence else {}
        return Basis(channel=self.channel, text_version=self.text_version, evidence=found)


class FileOptions(BaseModel):
    """How to read a file. Without a `claim` nobody of it is said to have agreed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: The country of numbers without a calling code.
    region: str
    #: Heading -> field, attribute, or None to pass the column over.
    mapping: dict[str, str | None] = {}
    claim: Claim | None = None
    #: `converted`: a workbook that has become CSV of our own writing.
    form: Literal["csv", "xlsx", "converted"] = "csv"
