"""The passwords of a release, and how one is read from a Secret: the same way by everyone."""

from __future__ import annotations

from dataclasses import dataclass

SUPERUSER_KEY = "POSTGRES_PASSWORD"
REPLICATION_KEY = "REPLICATION_PASSWORD"


@dataclass(frozen=True)
class Passwords:
    """superuser: of `postgres`; replication: of the role that the members use among themselves."""

    superuser: str
    replication: str


@dataclass(frozen=True)
class Read:
    """A password, and what is wrong with how the Secret holds it ('' if nothing is)."""

    password: str
    complaint: str = ""


def read(raw: bytes, where: str) -> Read:
    """Return the password in an entry of a Secret; where: names both. Raise ValueError if it can't be used.

    Line breaks at its end aren't part of it: no password file of PostgreSQL can hold one, and a shell strips them.
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
