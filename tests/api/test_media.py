"""Files for template headers: checked, kept once, deleted when nobody needs them."""

import httpx
import psycopg

from tests.api.conftest import Account, as_tenant
from tests.api.test_campaigns import make_campaign

Admin = psycopg.Connection[tuple[object, ...]]
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 100
TYPE = {"Content-Type": "image/png"}


async def upload(api: httpx.AsyncClient, content: bytes = PNG, **headers: str) -> httpx.Response:
    return await api.post(
        "/v1/media", params={"file_name": "a.png"}, content=content, headers=TYPE | headers
    )


async def test_a_file_is_kept_whole_and_the_same_bytes_once(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    large = PNG + bytes(range(256)) * 9_000
    first, second = await upload(api, large), await upload(api, large)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    file_id = first.json()["media_file_id"]
    assert first.json()["reference"] == f"media:{file_id}"
    assert first.headers["Location"] == f"/v1/media/{file_id}"
    kept = admin.execute("select content from app.media_chunks order by chunk_no").fetchall()
    assert len(kept) == 3
    assert b"".join(row[0] for row in kept if isinstance(row[0], bytes)) == large
    shown = (await api.get(f"/v1/media/{file_id}")).json()
    assert (shown["kind"], shown["bytes"], shown["uploads"]) == ("image", len(large), [])
    assert [item["media_file_id"] for item in (await api.get("/v1/media")).json()["items"]] == [
        file_id
    ]


async def test_files_meta_would_refuse_are_refused(api: httpx.AsyncClient, tenant: Account) -> None:
    assert (await upload(api, b"GIF89a")).status_code == 422
    assert (await upload(api, b"")).status_code == 422
    too_large = PNG + bytes(5 * 1024 * 1024)
    refused = await upload(api, too_large)
    assert refused.status_code == 422
    assert "5 MB" in refused.json()["detail"]
    html = await upload(api, b"<html>", **{"Content-Type": "text/html"})
    assert html.status_code == 415


async def test_another_tenant_s_file_is_no_file(
    api: httpx.AsyncClient, tenant: Account, other: Account
) -> None:
    file_id = (await upload(api)).json()["media_file_id"]
    headers = as_tenant(other)
    assert (await api.get(f"/v1/media/{file_id}", headers=headers)).status_code == 404
    assert (await api.delete(f"/v1/media/{file_id}", headers=headers)).status_code == 404
    assert (await api.get("/v1/media", headers=headers)).json()["items"] == []
    # The same bytes of another tenant are another file.
    theirs = await api.post(
        "/v1/media", params={"file_name": "a.png"}, content=PNG, headers=TYPE | headers
    )
    assert (theirs.status_code, theirs.json()["media_file_id"] != file_id) == (201, True)


async def test_a_file_that_a_campaign_needs_is_not_deleted(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    file = (await upload(api)).json()
    await make_campaign(api, admin, tenant, parameters={"header": {"value": file["reference"]}})
    url = f"/v1/media/{file['media_file_id']}"
    assert (await api.delete(url)).status_code == 409
    admin.execute("update app.campaigns set status = 'cancelled'")
    assert (await api.delete(url)).status_code == 204
    assert (await api.get(url)).status_code == 404
    assert admin.execute("select count(*) from app.media_chunks").fetchone() == (0,)
