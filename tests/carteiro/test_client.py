"""The Python client: as the document says, strictly typed, and used against the live API."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import psycopg
import pytest

from api.app import create_app
from api.openapi import operations
from carteiro.client_writer import client_of
from core.dsn import DatabaseRole
from core.settings import Settings, get_settings
from core.store import price_plans
from tests.api.conftest import Account, make_account
from tests.support.contract import document
from tests.support.sandboxes import serving
from tests.support.settings import APP_SECRET, SECRET_KEY, VERIFY_TOKEN

FILE = Path(__file__).parents[2] / "docs" / "api" / "carteiro_client.py"


@pytest.fixture(scope="module")
def client_module() -> ModuleType:
    """The committed file, as whoever has copied it imports it."""
    spec = importlib.util.spec_from_file_location("carteiro_client", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["carteiro_client"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CARTEIRO_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("CARTEIRO_META_APP_SECRET", APP_SECRET)
    monkeypatch.setenv("CARTEIRO_META_VERIFY_TOKEN", VERIFY_TOKEN)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def account(database: Settings) -> Account:
    with psycopg.connect(database.dsn(DatabaseRole.OPERATOR), autocommit=True) as connection:
        price_plans.seed_examples(connection)
        return make_account(connection, "padaria", 1)


@pytest.fixture
def live(database: Settings, account: Account, client_module: ModuleType) -> Iterator[Any]:
    """A client of the API on a port of its own."""
    with (
        serving(create_app(database)) as url,
        client_module.Client(url, account.api_key) as client,
    ):
        yield client


def test_the_committed_file_is_what_the_document_makes() -> None:
    assert FILE.read_text("utf-8") == client_of(document()), "run `make openapi`"


def test_the_client_is_strictly_typed() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_client_has_every_operation_of_a_tenant(client_module: ModuleType) -> None:
    for _, path, operation in operations(document()):
        if path.startswith("/v1/"):
            assert callable(getattr(client_module.Client, operation["operationId"])), path


def test_answers_lists_changes_files_and_errors_against_the_live_api(
    live: Any, client_module: ModuleType, account: Account
) -> None:
    assert live.get_tenant()["slug"] == account.slug
    names = [f"list {number}" for number in range(5)]
    for name in names:
        live.create_list({"name": name})
    assert sorted(each["name"] for each in live.iter_lists(limit=2)) == names
    assert len(live.list_lists(limit=2)["items"]) == 2
    made = live.create_segment({"name": "s", "filter": "suppressed"})
    address = live.get_segment(made["segment_id"])
    assert address["filter"] == "suppressed"
    live.get_tenant()
    tag = live.last.headers["etag"]
    assert live.change_tenant({"name": "A"}, if_match=tag)["name"] == "A"
    with pytest.raises(client_module.ApiError) as stale:
        live.change_tenant({"name": "B"}, if_match=tag)
    assert (stale.value.status, stale.value.code) == (412, "precondition-failed")
    assert live.delete_segment(made["segment_id"]) is None
    with pytest.raises(client_module.ApiError, match="404 not-found") as gone:
        live.get_segment(made["segment_id"])
    assert len(gone.value.request_id) == 36
    imported = live.import_contacts(b"phone\n+5511987654321\n", "text/csv", list="new")
    assert live.get_import(imported["import_id"])["status"] == "queued"
    assert live.export_audit_chain().startswith(b"{")
    with pytest.raises(client_module.ApiError) as wrong:
        live.list_contacts(limit=0)
    assert wrong.value.errors[0]["pointer"] == "/query/limit"
    with pytest.raises(client_module.ApiError) as escaped:
        live.get_segment("../tenant")
    # One id, however it is spelt: it never leads to another address.
    assert escaped.value.status in {400, 404, 422}


def test_one_call_is_one_effect_however_often_it_is_tried(
    live: Any, client_module: ModuleType, account: Account
) -> None:
    """The answer to the first try is lost on the way; the second has its key."""
    real = httpx.HTTPTransport()
    keys: list[str] = []

    def lossy(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        answer = real.handle_request(request)
        answer.read()
        if len(keys) == 1:
            raise httpx.ReadError("the line is dead", request=request)
        return answer

    base = str(live._http.base_url)
    waits: list[float] = []
    with (
        real,
        client_module.Client(
            base, account.api_key, transport=httpx.MockTransport(lossy), sleep=waits.append
        ) as client,
    ):
        client.create_segment({"name": "once", "filter": "suppressed"})
        assert client.last.headers["idempotency-replayed"] == "true"
    assert keys[0] == keys[1]
    assert waits == [1.0]
    assert [each["name"] for each in live.iter_segments()] == ["once"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_patience_gets_it_but_not_for_ever(
    client_module: ModuleType, status: int
) -> None:
    waits: list[float] = []
    answers = [
        httpx.Response(status, headers={"Retry-After": "7"}),
        httpx.Response(status),
        httpx.Response(200, json={"items": [], "next_cursor": None}),
    ]

    def ask(found: list[httpx.Response], **options: Any) -> Any:
        transport = httpx.MockTransport(lambda _: found.pop(0))
        return client_module.Client("http://a", "k", transport=transport, **options)

    with ask(list(answers), sleep=waits.append) as client:
        assert list(client.iter_lists()) == []
    assert waits == [7.0, 2.0]
    impatient = ask(list(answers), sleep=waits.append, tries=2)
    with impatient as client, pytest.raises(client_module.ApiError):
        client.list_lists()
    hours = [httpx.Response(status, headers={"Retry-After": "3600"})]
    with ask(hours, sleep=waits.append) as client, pytest.raises(client_module.ApiError):
        client.list_lists()
    assert waits == [7.0, 2.0, 7.0]


def test_what_could_happen_twice_is_not_tried_again(client_module: ModuleType) -> None:
    tried: list[str] = []

    def dead(request: httpx.Request) -> httpx.Response:
        tried.append(request.method)
        raise httpx.ConnectError("nobody there", request=request)

    with client_module.Client(
        "http://a", "k", transport=httpx.MockTransport(dead), sleep=lambda _: None
    ) as client:
        with pytest.raises(httpx.ConnectError):
            client.rotate_api_key("k", {})
        assert len(tried) == 1
        with pytest.raises(httpx.ConnectError):
            client.get_tenant()
        assert len(tried) == 5


def test_members_that_are_words_of_python_keep_their_names(client_module: ModuleType) -> None:
    sent: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append((dict(request.url.params), request.content))
        return httpx.Response(200, json={"items": [], "delivered": 0})

    with client_module.Client("http://a", "k", transport=httpx.MockTransport(answer)) as client:
        client.get_usage(from_="2026-11-01", to="2026-12-01")
        client.create_export({"dataset": "usage", "format": "csv", "filters": {"from": "x"}})
    assert sent[0][0] == {"from": "2026-11-01", "to": "2026-12-01"}
    assert json.loads(sent[1][1])["filters"] == {"from": "x"}
