"""`carteiro openapi`: the document of the API that this program is, without starting it."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from core.clock import utc_now

#: Beside the copies of the document.
CLIENT = "carteiro_client.py"


def openapi(
    copies: Annotated[
        Path | None,
        typer.Option(
            "--write", help="Write openapi-<version>.json and the client into this folder instead."
        ),
    ] = None,
    client: Annotated[
        Path | None, typer.Option("--client", help="Write the Python client to this file instead.")
    ] = None,
    release: Annotated[
        bool, typer.Option("--release", help="With --write: freeze this version's copy for ever.")
    ] = False,
) -> None:
    """Print the OpenAPI document, or write the copy that the contract tests compare with."""
    document = present_document()
    if client is not None:
        write_client(document, client)
        return
    text = as_text(document)
    if copies is None:
        typer.echo(text, nl=False)
        return
    version = document["info"]["version"]
    frozen: dict[str, dict[str, str]] = json.loads((copies / "releases.json").read_text("utf-8"))
    copy = copies / f"openapi-{version}.json"
    if version in frozen and copy.read_text("utf-8") != text:
        typer.echo(
            f"{version} is released and this isn't it: raise VERSION in api/app.py", err=True
        )
        raise typer.Exit(1)
    copy.write_text(text, "utf-8")
    write_client(document, copies / CLIENT)
    if release and version not in frozen:
        digest = hashlib.sha256(text.encode()).hexdigest()
        frozen[version] = {"released_on": utc_now().date().isoformat(), "sha256": digest}
        (copies / "releases.json").write_text(json.dumps(frozen, indent=2) + "\n", "utf-8")
    typer.echo(f"wrote {copy}", err=True)


def write_client(document: dict[str, Any], path: Path) -> None:
    """The Python client of a document, as one file."""
    from carteiro.client_writer import client_of

    path.write_text(client_of(document), "utf-8")
    typer.echo(f"wrote {path}", err=True)


def present_document() -> dict[str, Any]:
    """The document of this release; settings are made up, nothing is connected."""
    from pydantic import SecretStr

    from api.app import create_app
    from core.settings import Settings

    made_up = SecretStr("0" * 44)
    settings = Settings.model_construct(
        database_url="postgresql://nobody@127.0.0.1/nothing",
        secret_key=made_up,
        meta_app_secret=made_up,
        meta_verify_token=made_up,
    )
    return create_app(settings).openapi()


def as_text(document: dict[str, Any]) -> str:
    """A document as it is kept: one member a line, so that a change is read in a diff."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
