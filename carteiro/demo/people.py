"""The demo's people: 10,000 rows a tenant with the dirt that real spreadsheets have.

Deterministic by seed: two runs write the same bytes. Numbers are invented from the public numbering
plans; nobody is called or messaged outside the sandbox.
"""

import csv
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HEADER = ("phone", "name", "language", "store", "opted_out")
ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTenant:
    """One tenant of the story: who they are, where they send, what they pay."""

    slug: str
    name: str
    timezone: str
    currency: str
    region: str
    plan: str
    waba_id: str
    portfolio_id: str
    phone_number_id: str
    display_phone_number: str
    template: str
    template_language: str
    category: str
    body: str
    campaign: str
    names: tuple[str, ...]
    stores: tuple[str, ...]
    #: Meta's automatic upgrade; the default of 80 a second would take two minutes for 10,000.
    throughput_per_second: int = 1000


TENANTS = (
    DemoTenant(
        slug="padaria-aurora",
        name="Padaria Aurora",
        timezone="America/Sao_Paulo",
        currency="BRL",
        region="BR",
        plan="start-brl",
        waba_id="101000000000001",
        portfolio_id="901000000000001",
        phone_number_id="201000000000001",
        display_phone_number="+55 11 97777-0001",
        template="oferta_da_semana",
        template_language="pt_BR",
        category="MARKETING",
        body="Olá {{1}}, nesta semana a loja {{2}} tem pão de fermentação natural a preço menor.",
        campaign="Oferta da semana",
        names=("Ana", "João", "Conceição", "Luís", "Márcia", "Rafael", "Iracema", "Zé", "Tainá"),
        stores=("Pinheiros", "Mooca", "Santo André", "Tatuapé"),
    ),
    DemoTenant(
        slug="livraria-ribeira",
        name="Livraria Ribeira",
        timezone="Europe/Lisbon",
        currency="EUR",
        region="PT",
        plan="growth-eur",
        waba_id="101000000000002",
        portfolio_id="901000000000002",
        phone_number_id="201000000000002",
        display_phone_number="+351 912 000 002",
        template="encomenda_pronta",
        template_language="pt_PT",
        category="UTILITY",
        body="Olá {{1}}, a sua encomenda está pronta para levantar na loja {{2}}.",
        campaign="Encomendas de novembro",
        names=("Inês", "Tiago", "Beatriz", "Duarte", "Leonor", "Nuno", "Sílvia", "António"),
        stores=("Chiado", "Cais do Sodré", "Belém"),
    ),
    DemoTenant(
        slug="chai-and-threads",
        name="Chai & Threads",
        timezone="Asia/Kolkata",
        currency="INR",
        region="IN",
        plan="cost-plus-inr",
        waba_id="101000000000003",
        portfolio_id="901000000000003",
        phone_number_id="201000000000003",
        display_phone_number="+91 90000 00003",
        template="winter_preview",
        template_language="en",
        category="MARKETING",
        body="Hello {{1}}, the winter looms are open at our {{2}} store from Friday. Tea is on us.",
        campaign="Winter preview",
        names=("Aarav", "Diya", "Kabir", "Meera", "Rohan", "Saanvi", "Vikram", "Ishita"),
        stores=("Park Street", "Gariahat", "Salt Lake"),
    ),
)


def write_contacts(tenant: DemoTenant, path: Path, *, rows: int = ROWS, seed: int = 7) -> Path:
    """Write a tenant's contacts.csv (UTF-8, header first) and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(_rows(tenant, rows, random.Random(f"{seed}/{tenant.slug}")))
    return path


def _rows(tenant: DemoTenant, rows: int, chance: random.Random) -> Iterator[tuple[str, ...]]:
    number = {"BR": _brazilian, "PT": _portuguese, "IN": _indian}[tenant.region]
    earlier: list[str] = []
    for _ in range(rows):
        phone = _dirty(number, chance, earlier)
        yield (
            phone,
            chance.choice(tenant.names),
            tenant.template_language,
            "" if chance.random() < 0.012 else chance.choice(tenant.stores),
            "yes" if chance.random() < 0.02 else "",
        )


def _dirty(
    number: Callable[[random.Random], str], chance: random.Random, earlier: list[str]
) -> str:
    """One phone cell: mostly good, sometimes bad, a duplicate, or from abroad."""
    dice = chance.random()
    if dice < 0.008:
        return chance.choice(("", "n/a", "12345", "+55 11 9", "call me", "0000000000", "1e10"))
    if dice < 0.025 and earlier:
        return _written_otherwise(chance.choice(earlier), chance)
    if dice < 0.032:
        return f"+1 212 {chance.randint(200, 999)} {chance.randint(0, 9999):04d}"
    if dice < 0.036:
        return f"+49 151 {chance.randint(10_000_000, 99_999_999)}"
    digits = number(chance)
    earlier.append(digits)
    return _styled(digits, chance)


def _brazilian(chance: random.Random) -> str:
    """A mobile; one in seven is written the old way, without the ninth digit."""
    area = chance.choice(("11", "12", "13", "19", "21", "31", "41", "51", "61", "71", "81"))
    rest = f"{chance.choice('6789')}{chance.randint(0, 9_999_999):07d}"
    return f"55{area}{'' if chance.random() < 0.14 else '9'}{rest}"


def _portuguese(chance: random.Random) -> str:
    return f"3519{chance.choice('1236')}{chance.randint(0, 9_999_999):07d}"


def _indian(chance: random.Random) -> str:
    return f"91{chance.choice('789')}{chance.randint(0, 999_999_999):09d}"


def _written_otherwise(digits: str, chance: random.Random) -> str:
    """The same person again: another format or, in Brazil, with or without the ninth digit."""
    if digits.startswith("55"):
        other = digits[:4] + (digits[5:] if len(digits) == 13 else "9" + digits[4:])
        return chance.choice((other, f"+{other}", f"+{digits}"))
    return chance.choice((f"+{digits}", f"00{digits}", digits))


def _styled(digits: str, chance: random.Random) -> str:
    dice = chance.random()
    if dice < 0.6:
        return f"+{digits}"
    if dice < 0.8:
        return digits
    if dice < 0.9:
        return f"+{digits[:2]} {digits[2:4]} {digits[4:-4]}-{digits[-4:]}"
    return f"00{digits}"
