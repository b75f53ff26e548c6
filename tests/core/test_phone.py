"""Phone numbers as lists hold them, and what becomes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.phone import InvalidPhone, PhoneProblem, from_wa_id, normalise_phone


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("+55 11 98765-4321", "BR", "+5511987654321"),
        ("(11) 98765-4321", "BR", "+5511987654321"),
        ("011 98765-4321", "BR", "+5511987654321"),
        ("11.98765.4321", "BR", "+5511987654321"),
        ("5511987654321", "BR", "+5511987654321"),
        ("5511987654321.0", "BR", "+5511987654321"),
        ("005511987654321", "PT", "+5511987654321"),
        ("00 55 (11) 98765 4321", "PT", "+5511987654321"),
        ("whatsapp:+5511987654321", "PT", "+5511987654321"),
        ("WhatsApp: +55 11 98765 4321", "PT", "+5511987654321"),
        ("tel:+5511987654321", "PT", "+5511987654321"),
        ("+５５１１９８７６５４３２１", "PT", "+5511987654321"),
        ("＋55 11 98765\u20134321", "PT", "+5511987654321"),
        ("\u202a+55\u00a011\u00a098765\u20114321\u202c", "PT", "+5511987654321"),
        ("+٥٥١١٩٨٧٦٥٤٣٢١", "PT", "+5511987654321"),
        ("912 345 678", "PT", "+351912345678"),
        ("98765 43210", "IN", "+919876543210"),
        ("+1 (650) 555-1234", "BR", "+16505551234"),
        ("+521 55 1234 5678", "BR", "+525512345678"),
    ],
)
def test_a_dirty_number_becomes_e164(raw: str, region: str, e164: str) -> None:
    assert normalise_phone(raw, region).e164 == e164


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", PhoneProblem.EMPTY),
        (" + ", PhoneProblem.EMPTY),
        ("0800-FLOWERS", PhoneProblem.LETTERS),
        ("11 98765-4321 ext 5", PhoneProblem.LETTERS),
        ("5.51199E+12", PhoneProblem.LETTERS),
        ("11 98765;4321", PhoneProblem.BAD_CHARACTER),
        ("++5511987654321", PhoneProblem.BAD_CHARACTER),
        ("+55 11 +987654321", PhoneProblem.BAD_CHARACTER),
        ("11 98765-4321\x00", PhoneProblem.BAD_CHARACTER),
        ("12345", PhoneProblem.TOO_SHORT),
        ("+55 11 98765", PhoneProblem.TOO_SHORT),
        ("+55 11 98765-43210000", PhoneProblem.TOO_LONG),
        ("9" * 40, PhoneProblem.TOO_LONG),
        ("9" * 4000, PhoneProblem.TOO_LONG),
        ("+999 1234 5678", PhoneProblem.UNKNOWN_COUNTRY),
        ("+55 10 98765-4321", PhoneProblem.NOT_ASSIGNED),
    ],
)
def test_a_bad_number_is_refused_with_its_reason(raw: str, reason: PhoneProblem) -> None:
    with pytest.raises(InvalidPhone) as refused:
        normalise_phone(raw, "BR")
    assert refused.value.reason is reason
    assert not raw or raw not in str(refused.value)


def test_a_foreign_number_without_plus_is_never_guessed() -> None:
    # Valid in the United States; in a Brazilian list it is a slip of somebody's finger.
    with pytest.raises(InvalidPhone):
        normalise_phone("16505551234", "BR")


@pytest.mark.parametrize("first", "6789")
def test_brazil_mobiles_with_and_without_the_ninth_digit_are_one_person(first: str) -> None:
    old = normalise_phone(f"+55 11 {first}765-4321", "BR")
    new = normalise_phone(f"+55 11 9{first}765-4321", "BR")
    assert old == new
    assert old.match_key == f"+55119{first}7654321"
    assert set(old.variants) == {f"+55119{first}7654321", f"+5511{first}7654321"}


@pytest.mark.parametrize("first", "2345")
def test_brazil_landlines_get_no_ninth_digit(first: str) -> None:
    address = normalise_phone(f"(11) {first}265-4321", "BR")
    assert address.e164 == address.match_key == f"+5511{first}2654321"
    assert address.variants == (address.e164,)


def test_a_whatsapp_id_matches_the_imported_number() -> None:
    imported = normalise_phone("11 98765-4321", "BR")
    assert from_wa_id("551187654321").match_key == imported.match_key
    mexican = normalise_phone("55 1234 5678", "MX")
    assert from_wa_id("5215512345678").match_key == mexican.match_key


@pytest.mark.parametrize(
    ("raw", "region", "calling_code"),
    [
        ("+1 416 555 0123", "CA", 1),
        ("+1 809 555 1234", "DO", 1),
        ("+7 701 234 5678", "KZ", 7),
        ("+44 7400 123456", "GB", 44),
        ("+351 912 345 678", "PT", 351),
    ],
)
def test_the_region_is_told_apart_within_a_calling_code(
    raw: str, region: str, calling_code: int
) -> None:
    address = normalise_phone(raw, "BR")
    assert (address.region, address.calling_code) == (region, calling_code)


@given(st.text(max_size=70))
def test_any_text_is_a_number_or_a_refusal(raw: str) -> None:
    try:
        address = normalise_phone(raw, "BR")
    except InvalidPhone:
        return
    assert address.e164[0] == "+"
    assert address.e164[1:].isdigit()
    assert 8 <= len(address.e164) <= 16
    assert normalise_phone(address.e164, "PT") == address


@given(
    st.sampled_from([11, 21, 31, 47, 85, 99]),
    st.integers(min_value=60_000_000, max_value=99_999_999),
)
def test_every_written_form_of_a_brazilian_mobile_has_one_key(area: int, subscriber: int) -> None:
    keys = {
        normalise_phone(form, "BR").match_key
        for form in (f"({area}) {subscriber}", f"+55{area}9{subscriber}", f"0{area}9{subscriber}")
    }
    assert len(keys) == 1
