"""Money: decimal amounts that never mix currencies and are rounded once, where the caller says.

Per-message rates have up to twelve decimals, so amounts keep all their digits until
`rounded_to_minor_unit`, which rounds half away from zero: the rule of every invoice line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

# ISO 4217, list one: currencies whose minor unit isn't a hundredth.
_NO_DECIMALS: Final = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
_THREE_DECIMALS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_FOUR_DECIMALS: Final = frozenset({"CLF", "UYW"})
# Enough for any sum of 12-decimal rates; the machine's default context holds 28 digits and could
# be changed by a library.
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)


def minor_unit_digits(currency: str) -> int:
    """How many decimals the currency is paid in: JPY 0, BRL 2, KWD 3."""
    if currency in _NO_DECIMALS:
        return 0
    if currency in _THREE_DECIMALS:
        return 3
    return 4 if currency in _FOUR_DECIMALS else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An exact amount in one currency (three capital letters, ISO 4217).

    Raises TypeError for amounts that aren't Decimal (a float is wrong before it arrives) and
    ValueError for infinities, not-a-numbers and malformed currencies.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        """Refuse what could not be added up exactly."""
        if not isinstance(self.amount, Decimal):
            raise TypeError("an amount of money must be a Decimal")
        if not self.amount.is_finite():
            raise ValueError("an amount of money must be finite")
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise ValueError("a currency is three capital letters")

    def __add__(self, other: "Money") -> "Money":
        """The exact sum. Raises ValueError for another currency."""
        return self._with(_EXACT.add(self.amount, self._same(other)))

    def __sub__(self, other: "Money") -> "Money":
        """The exact difference. Raises ValueError for another currency."""
        return self._with(_EXACT.subtract(self.amount, self._same(other)))

    def __neg__(self) -> "Money":
        """The same amount owed the other way."""
        return self._with(_EXACT.minus(self.amount))

    def __mul__(self, factor: Decimal | int) -> "Money":
        """The exact product with a count or a decimal. Raises TypeError for a float."""
        if isinstance(factor, bool) or not isinstance(factor, (Decimal, int)):
            raise TypeError("money is multiplied by int or Decimal only")
        return self._with(_EXACT.multiply(self.amount, Decimal(factor)))

    __rmul__ = __mul__

    def __lt__(self, other: "Money") -> bool:
        """Whether this is less. Raises ValueError for another currency."""
        return self.amount < self._same(other)

    def __le__(self, other: "Money") -> bool:
        """Whether this isn't more. Raises ValueError for another currency."""
        return self.amount <= self._same(other)

    def rounded_to_minor_unit(self) -> "Money":
        """The payable amount: half away from zero, to the currency's decimals."""
        unit = Decimal(1).scaleb(-minor_unit_digits(self.currency))
        return self._with(self.amount.quantize(unit, context=_EXACT))

    def allocate(self, weights: Sequence[Decimal | int]) -> list["Money"]:
        """Split the rounded amount by weights; the shares sum to it exactly.

        Largest remainder: what rounding down leaves over goes, unit by unit, to the shares that
        lost most; ties go to the earlier weight. Raises ValueError for no, negative or all-zero
        weights.
        """
        if not weights or any(weight < 0 for weight in weights) or not any(weights):
            raise ValueError("weights must be some, not negative, and not all zero")
        digits = minor_unit_digits(self.currency)
        units = int(self.rounded_to_minor_unit().amount.scaleb(digits, context=_EXACT))
        shares = _largest_remainder(abs(units), [Decimal(weight) for weight in weights])
        sign = -1 if units < 0 else 1
        return [self._with(Decimal(sign * share).scaleb(-digits)) for share in shares]

    def _same(self, other: "Money") -> Decimal:
        if other.currency != self.currency:
            raise ValueError(f"{other.currency} can't be combined with {self.currency}")
        return other.amount

    def _with(self, amount: Decimal) -> "Money":
        return Money(amount=amount, currency=self.currency)


def zero(currency: str) -> Money:
    """Nothing, in a currency."""
    return Money(amount=Decimal(0), currency=currency)


def sum_money(amounts: Iterable[Money], *, currency: str | None = None) -> Money:
    """The exact sum. Raises ValueError for mixed currencies, or for none given and none to see."""
    total: Money | None = None if currency is None else zero(currency)
    for amount in amounts:
        total = amount if total is None else total + amount
    if total is None:
        raise ValueError("the sum of nothing needs a currency")
    return total


def _largest_remainder(units: int, weights: Sequence[Decimal]) -> list[int]:
    """Whole units by weight; integers throughout, so nothing is lost to precision."""
    scale = min((int(weight.as_tuple().exponent) for weight in weights), default=0)
    whole = [int(weight.scaleb(-min(scale, 0), context=_EXACT)) for weight in weights]
    total = sum(whole)
    shares = [units * weight // total for weight in whole]
    remainders = [units * weight % total for weight in whole]
    by_loss = sorted(range(len(whole)), key=lambda index: (-remainders[index], index))
    for index in by_loss[: units - sum(shares)]:
        shares[index] += 1
    return shares
