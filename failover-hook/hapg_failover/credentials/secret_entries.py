"""A release's passwords, and how to read one from a Secret, so that every program reads it the same way."""

from __future__ import annotations

from dataclasses import dataclass

SUPERUSER_KEY = "POSTGRES_PASSWORD"
REPLICATION_KEY = "REPLICATION_PASSWORD"


@dataclass(frozen=True)
class Passwords:
    """superuser: the password of `postgres`; replication: the password of the role that pods use to log in to each other."""

    superuser: str
    replication: str


@dataclass(frozen=True)
class Read:
    """A password, and what is wrong with its entry in the Secret ('' if nothing is)."""

    password: str
    complaint: str = ""


def read(raw: bytes, where: str) -> Read:
    """Return the password in an entry of a Secret. Raise ValueError if it is unusable.

    raw: the entry's bytes; where: names the Secret and the entry in errors. Trailing line breaks are not part of the password: PostgreSQL's
    password files can't contain one, and shells strip them.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{where}: the password is not UTF-8") from None
    password = text.rstrip("\r\n")
    if not password:
        raise ValueError(f"{where}: the password is empty")
    if any(c in password for c in "\0\r\n"):
        raise ValueError(f"{where}: the password contains a line break or a NUL, which is not allowed")
    if password == text:
        return Read(password)
    return Read(
        password,
        f"{where}: the password ends with a line break, which is not part of it; clients that send the entry unchanged are refused."
        " Write the Secret again without it (printf instead of echo)",
    )


def escape_pgpass(text: str) -> str:
    """Return a field of a line of a password file (libpq-pgpass)."""
    return text.replace("\\", "\\\\").replace(":", "\\:")
