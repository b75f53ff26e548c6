"""Imports of contact files: what is taken, merged, refused, and told."""

import csv
import io

import httpx
import psycopg
import pytest

from tests.api.conftest import Account, finish_imports

CSV = {"Content-Type": "text/csv"}
URL = "/v1/contacts/imports"


async def upload(api: httpx.AsyncClient, text: str | bytes, **query: str) -> httpx.Response:
    """Upload a file and wait for the end of its import; the answer is that of the last look."""
    answer = await send(api, text, **query)
    if answer.status_code != 202:
        return answer
    await finish_imports(api)
    return await api.get(answer.headers["location"])


async def send(api: httpx.AsyncClient, text: str | bytes, **query: str) -> httpx.Response:
    content = text.encode() if isinstance(text, str) else text
    return await api.post(URL, params={"list": "news", **query}, content=content, headers=CSV)


async def errors_of(api: httpx.AsyncClient, import_id: str) -> list[dict[str, str]]:
    answer = await api.get(f"{URL}/{import_id}/errors")
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_a_file_is_taken_row_by_row_and_every_row_is_accounted_for(
    api: httpx.AsyncClient,
) -> None:
    answer = await upload(
        api,
        "phone,name,language,store,opted_out\n"
        "+55 11 98765-4321,Ana,pt_BR,Mooca,\n"
        "11 8765-4321,Ana Maria,,,\n"  # the same person, before the ninth digit
        "+351 912 345 678,Rui,pt_PT,,yes\n"
        "call me,,,,\n"
        "+55 11 91234-5678,Bia,portuguese!,,\n",
    )
    assert answer.status_code == 200, answer.text
    counts = answer.json()
    assert counts["status"] == "finished"
    assert (counts["rows_read"], counts["rows_created"], counts["rows_merged"]) == (5, 2, 1)
    assert counts["rows_refused"] == 2
    assert counts["refused_by_reason"] == {"phone_letters": 1, "bad_language": 1}
    rows = await errors_of(api, counts["import_id"])
    assert [(row["row"], row["outcome"], row["code"]) for row in rows] == [
        ("3", "merged", "ninth_digit_joined"),
        ("5", "refused", "phone_letters"),
        ("6", "refused", "bad_language"),
    ]
    assert "8765" not in str(rows)
    assert "call me" not in str(rows)


async def test_the_same_file_twice_changes_nothing(api: httpx.AsyncClient) -> None:
    text = "phone,name,store\n+5511987654321,Ana,Mooca\n551187654321,Other,Tatui\n+351912345678,,\n"
    first = (await upload(api, text)).json()
    before = (await api.get("/v1/contacts")).json()
    second = (await upload(api, text)).json()
    assert (first["rows_created"], first["rows_merged"]) == (2, 1)
    assert (second["rows_created"], second["rows_updated"]) == (0, 0)
    assert (second["rows_unchanged"], second["rows_merged"]) == (2, 1)
    assert (await api.get("/v1/contacts")).json() == before
    assert {contact["name"] for contact in before["items"]} == {"Ana", None}


async def test_ten_thousand_rows_are_taken_from_one_file(api: httpx.AsyncClient) -> None:
    text = "phone,name,language,store\n" + "".join(
        f"+55119{70000000 + n:08d},Name {n},pt_BR,Mooca\n" for n in range(10_000)
    )
    counts = (await upload(api, text)).json()
    assert counts["rows_created"] == counts["rows_read"] == 10_000


async def test_consent_needs_a_stated_basis(api: httpx.AsyncClient) -> None:
    text = "phone,consent\n+5511987654321,yes\n"
    assert (await upload(api, text)).status_code == 422
    assert (await upload(api, text, consent_channel="form")).status_code == 422
    answer = await upload(api, text, consent_channel="form", consent_text_version="v1")
    assert answer.status_code == 200
    [contact] = (await api.get("/v1/contacts")).json()["items"]
    ledger = (await api.get(f"/v1/contacts/{contact['contact_id']}/consents")).json()
    assert [(item["action"], item["channel"]) for item in ledger["items"]] == [("granted", "form")]
    assert ledger["states"][0]["granted"] is True


async def test_a_file_never_undoes_a_withdrawal(api: httpx.AsyncClient) -> None:
    await upload(api, "phone,opted_out\n+5511987654321,sim\n")
    answer = await upload(
        api, "phone\n+5511987654321\n", consent_channel="form", consent_text_version="v1"
    )
    rows = await errors_of(api, answer.json()["import_id"])
    assert [row["code"] for row in rows] == ["opt_out_kept"]
    [contact] = (await api.get("/v1/contacts")).json()["items"]
    ledger = (await api.get(f"/v1/contacts/{contact['contact_id']}/consents")).json()
    assert [item["action"] for item in ledger["items"]] == ["revoked"]


async def test_an_unclosed_quote_costs_one_row(api: httpx.AsyncClient) -> None:
    text = 'phone,name\n+5511987654321,"Ana\n' + "".join(
        f"+55119{70000000 + n:08d},N\n" for n in range(40)
    )
    counts = (await upload(api, text)).json()
    assert counts["rows_created"] == 40
    assert counts["refused_by_reason"] == {"unclosed_quote": 1}


async def test_a_quoted_line_break_is_one_row(api: httpx.AsyncClient) -> None:
    text = 'phone;name;note\n+5511987654321;Ana;"a ""b""; c"\n+5511987654322;"Bia\nB";x\n'
    counts = (await upload(api, text)).json()
    assert counts["rows_read"] == 2
    assert counts["rows_created"] == 1
    assert counts["refused_by_reason"] == {"control_character": 1}


async def test_bad_bytes_refuse_their_row_only(api: httpx.AsyncClient) -> None:
    lines = [
        b"phone,name",
        "+5511987654321,Jo\u00e3o".encode("latin-1"),
        b"+5511987654322,A\x00B",
        b"+5511987654323," + b"x" * 70_000,
        b"+5511987654324,Ana",
        b"+5511987654325,Ana,too,many",
    ]
    counts = (await upload(api, b"\r\n".join(lines))).json()
    assert counts["rows_created"] == 1
    assert counts["refused_by_reason"] == {
        "not_utf8": 1,
        "nul_character": 1,
        "line_too_long": 1,
        "too_many_cells": 1,
    }


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("phone\n+5511987654321\n".encode("utf-16"), "wrong-encoding"),
        (b"PK\x03\x04rest of a zip", "wrong-encoding"),
        (b"", "bad-csv-header"),
        (b"name,email\nAna,x\n", "bad-csv-header"),
        (b"phone,phone\n1,2\n", "bad-csv-header"),
        (b"phone,a b$\n1,2\n", "bad-csv-header"),
        (b"phone,name\r+551198765\r", "wrong-encoding"),
    ],
)
async def test_a_file_that_is_no_contact_file_writes_nothing(
    api: httpx.AsyncClient, content: bytes, code: str
) -> None:
    answer = await upload(api, content)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await api.get(URL)).json()["items"] == []
    assert (await api.get("/v1/lists")).json()["items"] == []


async def test_people_of_two_imports_at_once_are_made_once(
    api: httpx.AsyncClient, tenant: Account, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    import asyncio

    text = "phone\n" + "".join(f"+55119{70000000 + n:08d}\n" for n in range(500))
    answers = await asyncio.gather(*(upload(api, text) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert sum(answer.json()["rows_created"] for answer in answers) == 500
    row = admin.execute("select count(*) from app.contacts").fetchone()
    assert row == (500,)
