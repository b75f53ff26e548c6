"""Rows `http client: ...`: sends a second of the HTTP client we use, and of one in Rust."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import psutil
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.load.registry import Figure, benchmark
from tests.load.stage import OTHERS, OURS, PROJECT, Stage, on_core
from tests.support.settings import free_port

_SENDS: Final = 10_000
_PEER: Final = "pyreqwest, bare: no hook that tells when bytes leave"


@benchmark("http client: aiohttp", unit="sends/s", target=None, peer=_PEER, seconds=15)
def measure_plain(stage: Stage) -> Figure:
    """Keep-alive HTTP/1.1, 100 sends at once, one core."""
    return _compare(stage, None)


@benchmark("http client: aiohttp, TLS", unit="sends/s", target=None, peer=_PEER, seconds=15)
def measure_tls(stage: Stage) -> Figure:
    """The same through TLS 1.3 with a certificate of our own."""
    return _compare(stage, _make_certificate(stage.folder))


def _compare(stage: Stage, certificate: tuple[Path, Path] | None) -> Figure:
    stage.require_cores(2)
    port = free_port()
    files = [str(path) for path in certificate or ()]
    stage.start("responder", ["-m", "tests.load.responder", str(port), *files], core=OTHERS)
    stage.wait_for(lambda: "LISTEN" in _listening(port), 30)
    scheme = "https" if certificate else "http"
    environment = {"SSL_CERT_FILE": files[0]} if certificate else {}
    rates, costs = {}, {}
    for client in ("aiohttp", "pyreqwest"):
        said = _run(client, f"{scheme}://127.0.0.1:{port}", environment)
        rates[client] = _SENDS / said["seconds"]
        costs[client] = said["cpu"] / _SENDS * 1e6
        stage.say(f"{client}: {rates[client]:,.0f} sends/s")
    return Figure(
        value=rates["aiohttp"],
        peer_value=rates["pyreqwest"],
        note=(
            f"{_SENDS:,} sends, 100 at once; CPU a send: {costs['aiohttp']:.0f} us aiohttp"
            f" through our client, {costs['pyreqwest']:.0f} us pyreqwest with all its threads"
        ),
    )


def _run(client: str, url: str, environment: dict[str, str]) -> dict[str, float]:
    with on_core(OURS):
        done = subprocess.run(
            [sys.executable, "-m", "tests.load.http_sends", client, url, str(_SENDS)],
            cwd=PROJECT,
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
            timeout=120,
        )
    if done.returncode != 0:
        raise RuntimeError(f"{client} failed: {done.stderr.decode()[-1000:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _listening(port: int) -> str:
    return " ".join(
        one.status for one in psutil.net_connections("tcp") if one.laddr and one.laddr.port == port
    )


def _make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, SHA256())
    )
    paths = (folder / "certificate.pem", folder / "key.pem")
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths
