"""`carteiro tenant`: from an empty database to a key that works."""

import httpx
import pytest
from typer.testing import CliRunner

from api.app import create_app
from carteiro.commands.tenant import app
from core.errors import Conflict, InvalidInput
from core.settings import Settings, get_settings
from core.store import tenants
from tests.api.conftest import PASSWORD, running

CREATE = ["create", "--slug", "aurora", "--name", "Aurora", "--timezone", "Asia/Kolkata"]
CREATE += ["--currency", "INR", "--region", "IN", "--plan", "cost-plus-inr"]


@pytest.fixture
def run(
    settings: Settings, operator: tenants.Connection, monkeypatch: pytest.MonkeyPatch
) -> CliRunner:
    """Commands on the database of the test, with the example plans."""
    monkeypatch.setenv("CARTEIRO_DATABASE_URL", settings.database_url)
    get_settings.cache_clear()
    return CliRunner()


async def test_the_commands_make_a_tenant_that_can_call_the_api(
    run: CliRunner, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_TOKEN", "EAAsecret")
    monkeypatch.setenv("USER_PASSWORD", PASSWORD)
    account = ["--waba", "101", "--portfolio", "901", "--timezone", "Asia/Kolkata"]
    account += ["--currency", "INR", "--token-env", "META_TOKEN"]
    number = ["--waba", "101", "--number-id", "201", "--display", "+91 98765 43210"]
    person = ["--email", "A@Example.com", "--name", "A", "--role", "owner"]
    person += ["--password-env", "USER_PASSWORD"]
    for command in (
        CREATE,
        ["add-account", "--slug", "aurora", *account],
        ["add-number", "--slug", "aurora", *number],
        ["create-user", "--slug", "aurora", *person],
    ):
        result = run.invoke(app, command)
        assert result.exit_code == 0, result.output
        assert "EAAsecret" not in result.output
    key = run.invoke(app, ["create-key", "--slug", "aurora", "--name", "shop"]).output.strip()
    async with running(create_app(settings)) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        tenant = (await client.get("/v1/tenant")).json()
        assert (tenant["slug"], tenant["plan"]) == ("aurora", "cost-plus-inr")
        [found] = (await client.get("/v1/numbers")).json()["items"]
        assert found["phone_number_id"] == "201"
        signed_in: httpx.Response = await client.post(
            "/v1/login",
            json={"slug": "aurora", "email": "a@example.com", "password": PASSWORD},
        )
        assert signed_in.status_code == 200


def test_a_command_that_fails_leaves_nothing_behind(
    run: CliRunner, operator: tenants.Connection
) -> None:
    unknown_plan = [*CREATE[:-1], "no-such-plan"]
    assert run.invoke(app, unknown_plan).exit_code != 0
    assert operator.execute("select count(*) from app.tenants").fetchone() == (0,)
    assert run.invoke(app, CREATE).exit_code == 0
    assert isinstance(run.invoke(app, CREATE).exception, Conflict)
    assert operator.execute("select count(*) from app.tenants").fetchone() == (1,)


@pytest.mark.parametrize("zone", ["../../etc/passwd", "", "Mars/Olympus", "/etc/localtime"])
def test_a_zone_that_is_none_is_refused(operator: tenants.Connection, zone: str) -> None:
    with pytest.raises(InvalidInput):
        tenants.create_tenant(
            operator,
            slug="x",
            name="X",
            timezone=zone,
            currency="BRL",
            default_region="BR",
            plan="start-brl",
        )


async def test_a_new_tenants_owner_joins_with_the_printed_invitation(
    run: CliRunner, settings: Settings
) -> None:
    made = run.invoke(app, [*CREATE, "--owner-email", "Ana@Example.com", "--owner-name", "Ana"])
    assert made.exit_code == 0, made.output
    token = made.output.splitlines()[-1]
    async with running(create_app(settings)) as client:
        joined = await client.post(
            "/v1/invitations/accept", json={"token": token, "password": PASSWORD}
        )
        assert joined.json()["slug"] == "aurora"
        who = {"slug": "aurora", "email": "ana@example.com", "password": PASSWORD}
        signed_in = (await client.post("/v1/login", json=who)).json()
        client.headers["Authorization"] = f"Bearer {signed_in['access_token']}"
        me = (await client.get("/v1/users/me")).json()
        assert (me["user"]["role"], me["user"]["name"]) == ("owner", "Ana")
