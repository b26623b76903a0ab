"""pgBackRest's configuration: a file without secrets, and environment variables with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import service_account
from .errors import Misconfigured
from .settings import Repository, Settings

IO_TIMEOUT_S = 10
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_ACCOUNT_NAME", "AZURE_ACCOUNT_KEY", "CIPHER_PASS", service_account.ENTRY)
"""The entries of the repository's Secret whose values are needed here; most become environment variables."""
CIPHER = "PGBACKREST_REPO1_CIPHER_PASS"
"""The variable with the pass of an encrypted repository."""
FILES = ("CA_CERT_DATA", service_account.ENTRY)
"""The entries that pgBackRest reads as files."""


@dataclass(frozen=True)
class Paths:
    """Paths that pgBackRest is told. work: for its locks; authorities: the file of the system's certificates, None without one."""

    pgdata: str
    socket: str
    work: str
    authorities: str | None = None


@dataclass(frozen=True)
class Credentials:
    """What the repository's Secret holds. values: of the entries in KEYS that exist; files: paths of those in FILES."""

    values: Mapping[str, str]
    files: Mapping[str, str]

    def value(self, key: str) -> str:
        """Return the value of an entry. Raise Misconfigured if it is missing or empty."""
        found = self.values.get(key, "")
        if not found:
            raise Misconfigured(f"the repository's Secret has no entry {key}")
        return found


@dataclass(frozen=True)
class Configuration:
    """text: of pgbackrest.conf; environment: the variables that hold the secrets."""

    text: str
    environment: Mapping[str, str]


def configure(settings: Settings, repository: Repository, stanza: str, port: int, paths: Paths, credentials: Credentials) -> Configuration:
    """Return the configuration for one repository and stanza. port: of PostgreSQL. Raise Misconfigured if a credential is missing."""
    lines, environment = _KINDS[repository.type](repository, credentials)
    if repository.encrypted:
        lines.append("repo1-cipher-type=aes-256-cbc")
        environment[CIPHER] = credentials.value("CIPHER_PASS")
    retention = settings.retention
    lines += [f"repo1-retention-full={retention.days or retention.full}"]
    lines += ["repo1-retention-full-type=time"] if retention.days else []
    lines += [f"repo1-retention-diff={retention.diff}"] if retention.diff else []
    lines += [f"compress-type={settings.compression}"]
    lines += [f"compress-level={settings.level}"] if settings.level is not None else []
    lines += [
        f"repo1-path={repository.path}",
        "repo1-bundle=y",
        "start-fast=y",
        "archive-mode-check=n",  # archive_mode=always has one archiver here: every other server only confirms
        f"process-max={settings.processes}",
        f"io-timeout={IO_TIMEOUT_S}",
        f"lock-path={paths.work}/lock",
        f"spool-path={paths.work}/spool",
        "log-level-file=off",
        "log-level-console=info",
        "log-timestamp=n",
    ]
    server = [f"pg1-path={paths.pgdata}", f"pg1-socket-path={paths.socket}", f"pg1-port={port}", "pg1-user=postgres"]
    if repository.type != "local":
        lines += _authorities(repository, paths, credentials)
    return Configuration("\n".join(["[global]", *lines, f"[{stanza}]", *server, ""]), environment)


def _authorities(repository: Repository, paths: Paths, credentials: Credentials) -> list[str]:
    if not repository.verify_tls:
        return ["repo1-storage-verify-tls=n"]
    file = credentials.files.get("CA_CERT_DATA", paths.authorities)
    return [f"repo1-storage-ca-file={file}"] if file is not None else []


def _s3(repository: Repository, credentials: Credentials) -> tuple[list[str], dict[str, str]]:
    lines = [
        "repo1-type=s3",
        f"repo1-s3-bucket={repository.bucket}",
        f"repo1-s3-endpoint={repository.endpoint or f's3.{repository.region}.amazonaws.com'}",
        f"repo1-s3-region={repository.region}",
        f"repo1-s3-uri-style={repository.style}",
    ]
    secret = {
        "PGBACKREST_REPO1_S3_KEY": credentials.value("AWS_ACCESS_KEY_ID"),
        "PGBACKREST_REPO1_S3_KEY_SECRET": credentials.value("AWS_SECRET_ACCESS_KEY"),
    }
    return lines, secret


def _gcs(repository: Repository, credentials: Credentials) -> tuple[list[str], dict[str, str]]:
    service_account.check(credentials.value(service_account.ENTRY))
    lines = [
        "repo1-type=gcs",
        f"repo1-gcs-bucket={repository.bucket}",
        f"repo1-gcs-key={credentials.files[service_account.ENTRY]}",
    ]
    return lines + ([f"repo1-gcs-endpoint={repository.endpoint}"] if repository.endpoint else []), {}


def _azure(repository: Repository, credentials: Credentials) -> tuple[list[str], dict[str, str]]:
    lines = ["repo1-type=azure", f"repo1-azure-container={repository.bucket}", f"repo1-azure-uri-style={repository.style}"]
    secret = {
        "PGBACKREST_REPO1_AZURE_ACCOUNT": credentials.value("AZURE_ACCOUNT_NAME"),
        "PGBACKREST_REPO1_AZURE_KEY": credentials.value("AZURE_ACCOUNT_KEY"),
    }
    return lines + ([f"repo1-azure-endpoint={repository.endpoint}"] if repository.endpoint else []), secret


def _local(repository: Repository, credentials: Credentials) -> tuple[list[str], dict[str, str]]:  # noqa: ARG001 all have the same form
    return ["repo1-type=posix"], {}


_KINDS: Mapping[str, Callable[[Repository, Credentials], tuple[list[str], dict[str, str]]]] = {
    "s3": _s3,
    "gcs": _gcs,
    "azure": _azure,
    "local": _local,
}
