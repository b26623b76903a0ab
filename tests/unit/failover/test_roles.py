"""A primary's changes to make its roles match the Secrets; and how a Secret's entry is read."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from hapg_failover.credentials import roles, scram, secret_entries
from hapg_failover.credentials.roles import REPLICATION, SUPERUSER, Change, Login, Role
from hapg_failover.credentials.secret_entries import Passwords

SALT = bytes(16)
PASSWORDS = Passwords("theirs", "ours")
GOOD = (
    Role(SUPERUSER, scram.scram("theirs", b"salt of then", 5000), True, True, True),
    Role(REPLICATION, scram.scram("ours", b"another"), True, True, False),
)


def plan(*found: Role, method: str = "scram-sha-256", own_role: bool = True) -> tuple[Change, ...]:
    return roles.plan(found, PASSWORDS, own_role=own_role, method=method, salt=SALT)


def test_what_is_right_is_left_alone() -> None:
    assert plan(*GOOD) == ()
    assert plan(replace(GOOD[0], stored=scram.md5("theirs", "postgres")), method="md5", own_role=False) == ()


@pytest.mark.parametrize(
    "stored",
    [None, "", scram.scram("former", SALT), scram.md5("theirs", "postgres"), "theirs"],
    ids=["none", "empty", "former", "md5", "clear"],
)
def test_another_password_of_the_superuser_is_replaced_by_a_verifier(stored: str | None) -> None:
    (change,) = plan(replace(GOOD[0], stored=stored), GOOD[1])
    assert change.statements == (f"ALTER ROLE postgres PASSWORD '{scram.scram('theirs', SALT)}'",)


def test_before_scram_it_is_md5() -> None:
    (change,) = plan(replace(GOOD[0], stored=scram.md5("former", "postgres")), method="md5", own_role=False)
    assert change.statements == (f"ALTER ROLE postgres PASSWORD 'md5{hashlib.md5(b'theirspostgres').hexdigest()}'",)


def test_the_members_role_is_made_with_what_pg_rewind_needs_and_is_no_superuser() -> None:
    (change,) = plan(GOOD[0])
    create, *grants = change.statements
    assert create == f"CREATE ROLE {REPLICATION} LOGIN REPLICATION PASSWORD '{scram.scram('ours', SALT)}'"
    assert grants == [
        f"GRANT EXECUTE ON FUNCTION pg_ls_dir(text,boolean,boolean) TO {REPLICATION}",
        f"GRANT EXECUTE ON FUNCTION pg_stat_file(text,boolean) TO {REPLICATION}",
        f"GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO {REPLICATION}",
        f"GRANT EXECUTE ON FUNCTION pg_read_binary_file(text,bigint,bigint,boolean) TO {REPLICATION}",
        f"GRANT pg_read_all_stats TO {REPLICATION}",
    ]


@pytest.mark.parametrize(
    ("changed", "statement"),
    [
        ({"login": False}, f"ALTER ROLE {REPLICATION} LOGIN REPLICATION NOSUPERUSER"),
        ({"replication": False}, f"ALTER ROLE {REPLICATION} LOGIN REPLICATION NOSUPERUSER"),
        ({"superuser": True}, f"ALTER ROLE {REPLICATION} LOGIN REPLICATION NOSUPERUSER"),
        ({"stored": None}, f"ALTER ROLE {REPLICATION} PASSWORD '{scram.scram('ours', SALT)}'"),
        ({"lacks_functions": ("f(text)",)}, f"GRANT EXECUTE ON FUNCTION f(text) TO {REPLICATION}"),
        ({"lacks_memberships": ("pg_read_all_stats",)}, f"GRANT pg_read_all_stats TO {REPLICATION}"),
    ],
)
def test_what_the_members_role_lacks_is_restored(changed: dict[str, object], statement: str) -> None:
    (change,) = plan(GOOD[0], replace(GOOD[1], **changed))  # type: ignore[arg-type]
    assert change.statements == (statement,)


def test_no_statement_and_no_reason_holds_a_password() -> None:
    for found in ((), GOOD[:1], tuple(replace(role, stored="former") for role in GOOD)):
        for method in ("scram-sha-256", "md5"):
            text = repr(roles.plan(found, Passwords("t5H8IsSecret", "0uRsIsSecret"), own_role=True, method=method, salt=SALT))
            assert "IsSecret" not in text


def test_members_log_in_under_their_own_role_and_know_another_way() -> None:
    assert roles.logins(PASSWORDS, True) == (Login(REPLICATION, "ours"), Login(SUPERUSER, "theirs"))
    assert roles.logins(PASSWORDS, False) == (Login(SUPERUSER, "theirs"),)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_a_line_break_at_the_end_is_no_part_of_a_password(ending: str) -> None:
    found = secret_entries.read(f"se cret {ending}".encode(), "Secret a, key b")
    assert found.password == "se cret "
    assert found.complaint.startswith("Secret a, key b: the password ends with a line break")
    assert secret_entries.read(b"se cret ", "") == secret_entries.Read("se cret ")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the password is empty"),
        (b"\n", "the password is empty"),
        (b"a\nb", "contains a line break or a NUL"),
        (b"a\rb\n", "contains a line break or a NUL"),
        (b"a\0b", "contains a line break or a NUL"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_what_no_client_can_send_is_no_password(raw: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"Secret a, key b: .*{message}"):
        secret_entries.read(raw, "Secret a, key b")
