"""Password verifiers: PostgreSQL 15's own match, and libpq can log in with ours."""

from __future__ import annotations

import random
import stringprep
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapg_failover.credentials import scram

from .conftest import Server

SALT = bytes(range(16))
TRICKY = [
    "it's secret",
    "a'b\"c$d%e\\f:g#h{i}j k`l&m;n|o<p>q!r@s/t?u=v",
    "pässwörd-日本",
    "x" * 900,
    "\t control",
    "I\u00adX",  # mapped to nothing
    "\u00ad",  # nothing remains
    "\u200b",  # in two tables
    "a\u00a0b",  # a non-ASCII space
    "\u2168\u00aa",  # a compatibility equivalent of other characters
    "\u0627\u0031",  # right to left, but ends otherwise
    "\u0627\u0031\u0628",
    "\u0627a\u0628",
    "é\u0007",  # prohibited
    "é\U000e0001",  # a tag character
    "é\u0221",  # not assigned in Unicode 3.2
]


def test_the_example_of_rfc_7677() -> None:
    made = scram.scram("pencil", b"[m\x99h\x9d\x125\x8e\xec\xa0K\x14\x126\xfa\x81")
    stored_key, server_key = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    assert made == f"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${stored_key}:{server_key}"


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_verifier_fits_its_password_alone(password: str, other: str) -> None:
    made = scram.scram(password, SALT, 1)
    assert scram.fits_scram(made, password)
    assert scram.fits_scram(made, other) == (scram.scram(other, SALT, 1) == made)


@pytest.mark.parametrize(
    "stored", [None, "", "md5d41d8cd98f00b204e9800998ecf8427e", "SCRAM-SHA-256$4096:x$y:z", "SCRAM-SHA-256$0:AA==$AA==:AA=="]
)
def test_what_is_no_verifier_fits_nothing(stored: str | None) -> None:
    assert not scram.fits_scram(stored, "secret")


@pytest.fixture(scope="module")
def superuser(server: Server) -> Iterator[Any]:
    """A cursor; the role `tested` can log in only with its password."""
    server.start()
    (server.data / "pg_hba.conf").write_text("local all tested scram-sha-256\nlocal all all trust\n")
    connection = server.connect()
    connection.set_client_encoding("UTF8")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute("CREATE ROLE tested LOGIN")
        yield cursor
    connection.close()


def drawn(seed: int) -> list[str]:
    """Return passwords made of characters that the tables of RFC 3454 treat differently."""
    tables = [getattr(stringprep, name) for name in dir(stringprep) if name.startswith("in_table_")]
    everything = [chr(number) for number in range(1, 0x30000) if not 0xD800 <= number < 0xE000]
    pools = [pool for is_in in tables if (pool := [c for c in everything if is_in(c)])]
    chance = random.Random(seed)
    return ["".join(chance.choice(chance.choice(pools)) for _ in range(chance.choice((1, 2, 4)))) for _ in range(150)]


@pytest.mark.slow
def test_a_verifier_that_postgres_has_made_fits(superuser: Any) -> None:
    for password in (*TRICKY, *drawn(7)):
        superuser.execute("ALTER ROLE tested PASSWORD %s", (password,))
        superuser.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'tested'")
        (stored,) = superuser.fetchone()
        assert scram.fits_scram(stored, password), ascii(password)
        assert not scram.fits_scram(stored, password + "."), ascii(password)


@pytest.mark.slow
@pytest.mark.parametrize("password", TRICKY, ids=ascii)
def test_a_verifier_made_here_lets_its_password_in_and_no_other(superuser: Any, server: Server, password: str) -> None:
    superuser.execute("ALTER ROLE tested PASSWORD %s", (scram.scram(password, SALT),))

    def log_in(tried: str) -> None:
        psycopg2.connect(host=str(server.base), user="tested", password=tried, dbname="postgres").close()

    log_in(password)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        log_in(password + ".")
