"""Servers of the three kinds of object store, over TLS: versitygw (S3), fake-gcs-server (Google Cloud Storage), Azurite (Azure).

All of them verify who asks: versitygw and Azurite by the signature of each request, the one for Google by that of a service account, which
gets tokens for it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

from tests.chart import helm
from tests.cluster import azurite, builds
from tests.ports import free_port
from tests.robustness import programs
from tests.robustness.certificates import Authority

from .harness import wait_for

HOST = "localhost"
BUCKET = "backups"
PATH = "/tests"
ACCOUNT = "testaccount"
"""In Azure."""
EMAIL = "backups@project.iam.gserviceaccount.com"
"""The name of the service account in Google Cloud."""


@dataclass(frozen=True)
class Store:
    """A server on this machine with the bucket BUCKET.

    type, endpoint, style: values of the chart; folder: where it keeps what it stores; entries: of the Secret; wrong: the same with a key
    that the server does not know; refusal: its answer to that, as pgBackRest says it; secret: what has to be in no log.
    """

    type: str
    endpoint: str
    folder: Path
    entries: dict[str, str]
    wrong: dict[str, str]
    refusal: str
    secret: tuple[str, ...]
    style: str = "path"

    def settings(self) -> dict[str, Any]:
        """What the chart writes into backup.json for an archive here."""
        given = {"type": self.type, "bucket": BUCKET, "endpoint": self.endpoint, "uriStyle": self.style, "secretName": "s"}
        values = {f"archiver.{key}": value for key, value in {**given, "cipherSecretName": "c", "path": PATH}.items()}
        data = helm.objects(*helm.values({**values, "fullnameOverride": "db"}))["ConfigMap", "db-config"]["data"]
        found: dict[str, Any] = json.loads(data["backup.json"])
        return found

    def stored(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of each file that the server has: objects, and what it notes about them."""
        for path in self.folder.rglob("*"):
            with suppress(FileNotFoundError, IsADirectoryError):
                yield str(path), path.read_bytes()


def _certified(folder: Path, host: str = HOST) -> str:
    """Write server.crt and server.key for a host; return their authority's certificate."""
    authority = Authority(folder, "store")
    authority.secret("unused", host)
    return authority.certificate


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except OSError:
        return False
    return True


@contextmanager
def _running(folder: Path, port: int, argv: list[str], **environment: str) -> Iterator[None]:
    """Run a server until the end, once it accepts connections."""
    words = ["setpriv", "--pdeathsig", "KILL", *argv]
    with (folder / "log").open("wb") as log, subprocess.Popen(words, env=environment, stdout=log, stderr=log) as process:
        try:
            wait_for(lambda: _accepts(port), f"{argv[:2]} listens")
            yield
        finally:
            process.kill()


@contextmanager
def s3(folder: Path) -> Iterator[Store]:
    """versitygw, as tests.robustness.object_store runs it in a pod."""
    authority, port = _certified(folder), free_port()
    for name in (f"buckets/{BUCKET}", "metadata"):
        (folder / name).mkdir(parents=True)
    user, key, other = (secrets.token_hex(16) for _ in range(3))
    program = builds.ensure(builds.OBJECT_STORE_BUILDS)["versitygw"]
    words = ["--port", f"127.0.0.1:{port}", "--cert", f"{folder}/server.crt", "--key", f"{folder}/server.key", "--quiet"]
    argv = [str(program), *words, "posix", "--sidecar", f"{folder}/metadata", f"{folder}/buckets"]
    entries = {"AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": key, "CA_CERT_DATA": authority}
    wrong = {**entries, "AWS_SECRET_ACCESS_KEY": other}
    with _running(folder, port, argv, ROOT_ACCESS_KEY_ID=user, ROOT_SECRET_ACCESS_KEY=key):
        yield Store("s3", f"{HOST}:{port}", folder / "buckets", entries, wrong, "403 (Forbidden)", (key, other))


def _service_account(folder: Path, name: str, address: str) -> str:
    """Write NAME.pub, the public key of a new service account; return its JSON key, with the newline that a file has at its end."""
    private = folder / f"{name}.key"
    programs.run("openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(private))
    programs.run("openssl", "pkey", "-in", str(private), "-pubout", "-out", str(folder / f"{name}.pub"))
    found = {"type": "service_account", "client_email": EMAIL, "private_key": private.read_text(), "token_uri": address}
    return json.dumps(found, indent=2) + "\n"


@contextmanager
def gcs(folder: Path) -> Iterator[Store]:
    """fake-gcs-server, with the endpoint where a service account gets its tokens: tests/cluster/go/gcs."""
    authority, port = _certified(folder), free_port()
    (folder / "objects" / BUCKET).mkdir(parents=True)
    key, other = (_service_account(folder, name, f"https://{HOST}:{port}/token") for name in ("account", "other"))
    program = builds.ensure(builds.GCS_BUILDS)["gcs"]
    words = ["--port", str(port), "--cert", f"{folder}/server.crt", "--key", f"{folder}/server.key", "--root", f"{folder}/objects"]
    argv = [str(program), *words, "--account", EMAIL, "--account-key", f"{folder}/account.pub"]
    entries = {"GOOGLE_SERVICE_ACCOUNT_JSON_KEY": key, "CA_CERT_DATA": authority}
    wrong = {**entries, "GOOGLE_SERVICE_ACCOUNT_JSON_KEY": other}
    secret = tuple(json.loads(each)["private_key"].splitlines()[1] for each in (key, other))
    with _running(folder, port, argv):
        yield Store("gcs", f"{HOST}:{port}", folder / "objects", entries, wrong, "[invalid_grant] Invalid JWT Signature.", secret)


@contextmanager
def azure(folder: Path, style: str = "path") -> Iterator[Store]:
    """Azurite. style: path, or host: then the account is the first label of the host name, which only a hosts file knows."""
    host = HOST if style == "path" else f"{ACCOUNT}.blob.test"
    authority, port = _certified(folder, host), free_port()
    key, other = (base64.b64encode(secrets.token_bytes(64)).decode() for _ in range(2))
    words = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", f"{folder}/blobs", "--silent"]
    tls = ["--cert", f"{folder}/server.crt", "--key", f"{folder}/server.key"]
    entries = {"AZURE_ACCOUNT_NAME": ACCOUNT, "AZURE_ACCOUNT_KEY": key, "CA_CERT_DATA": authority}
    wrong = {**entries, "AZURE_ACCOUNT_KEY": other}
    endpoint = f"{host.removeprefix(f'{ACCOUNT}.')}:{port}"
    argv = ["node", str(azurite.ensure()), *words, *tls]
    with _running(folder, port, argv, AZURITE_ACCOUNTS=f"{ACCOUNT}:{key}", PATH=os.environ["PATH"]):
        _make_container(f"https://127.0.0.1:{port}/{ACCOUNT}/{BUCKET}", key)
        yield Store("azure", endpoint, folder / "blobs", entries, wrong, "403 (", (key, other), style)


def _make_container(address: str, key: str) -> None:
    """Make a container of Azure's Blob Storage; its address is in the path style. Raise OSError.

    Signed as https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key says.
    """
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-06-08"}
    text = "\n".join(["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in headers.items()), f"/{ACCOUNT}/{ACCOUNT}/{BUCKET}"])
    signature = hmac.digest(base64.b64decode(key), f"{text}\nrestype:container".encode(), hashlib.sha256)
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
    request = urllib.request.Request(f"{address}?restype=container", method="PUT", headers=headers)
    context = ssl._create_unverified_context()  # noqa: S323 the certificate is pgBackRest's to verify
    urllib.request.urlopen(request, timeout=10, context=context).close()
