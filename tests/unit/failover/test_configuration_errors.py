"""PostgreSQL's messages about a configuration, as reported to users."""

from __future__ import annotations

import pytest

from hapg_failover.pgdata.configuration_errors import LONGEST, explain

HBA = """# The socket's directory belongs to the pod's two containers alone.
local all         all                trust
# postgresql.pgHba
host a b 10.0.0.0/8 scram-sha-256
host c d 10.0.0.0/8 scram-sha256
# the chart's own

host all all 0.0.0.0/0 scram-sha-256
"""


def line(number: int, complaint: str = 'invalid authentication method "x"') -> str:
    return f'LOG:  {complaint}\nCONTEXT:  line {number} of configuration file "/var/lib/postgresql/data/config.new/pg_hba.conf"\n'


@pytest.mark.parametrize(
    ("number", "where"),
    [
        (4, "postgresql.pgHba[0]"),
        (5, "postgresql.pgHba[1]"),
        (2, "pg_hba.conf line 2"),
        (3, "pg_hba.conf line 3"),
        (8, "pg_hba.conf line 8"),
    ],
)
@pytest.mark.parametrize("fatal", ["could not load pg_hba.conf", "could not load /var/lib/postgresql/data/config.new/pg_hba.conf"])
def test_an_access_rule_is_named_by_its_value(number: int, where: str, fatal: str) -> None:
    said = f"LOG:  starting PostgreSQL 15\n{line(number)}FATAL:  {fatal}\nLOG:  database system is shut down\npg_hba.conf:\n{HBA}"
    assert explain(said) == f'{where}: invalid authentication method "x"'


def test_without_values_of_its_own_the_line_is_named() -> None:
    assert (
        explain(f"{line(1)}FATAL:  could not load pg_hba.conf\npg_hba.conf:\nlocal")
        == 'pg_hba.conf line 1: invalid authentication method "x"'
    )


def test_many_complaints_are_cut_short() -> None:
    said = "".join(line(4, f"trouble {number}") for number in range(5)) + "FATAL:  could not load pg_hba.conf\npg_hba.conf:\n" + HBA
    assert explain(said) == "postgresql.pgHba[0]: trouble 0; postgresql.pgHba[0]: trouble 1; postgresql.pgHba[0]: trouble 2; and 2 more"
    long = explain(f"FATAL:  {'x' * 2000}")
    assert long is not None
    assert len(long) == LONGEST


def test_a_file_that_is_not_there_is_named() -> None:
    said = 'LOG:  could not open configuration file "/x/pg_hba.conf": No such file or directory\nFATAL:  could not load pg_hba.conf\n'
    assert explain(said) == 'could not open configuration file "/x/pg_hba.conf": No such file or directory'


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            'LOG:  syntax error in file "/x/postgresql.conf" line 4, near token "3"\n'
            'FATAL:  configuration file "/x/postgresql.conf" contains errors',
            'postgresql.parameters: syntax error line 4, near token "3"',
        ),
        (
            'LOG:  parameter "port" cannot be changed\nFATAL:  configuration file "/x/postgresql.auto.conf" contains errors',
            'ALTER SYSTEM: parameter "port" cannot be changed',
        ),
        (
            "FATAL:  could not map anonymous shared memory: Cannot allocate memory\nHINT:  (currently 150994944 bytes), reduce",
            "postgresql.parameters (shared_buffers, max_connections, huge_pages): could not map anonymous shared memory: "
            "Cannot allocate memory (144 MiB are needed)",
        ),
        (
            'FATAL:  private key file "/etc/hapg/tls/tls.key" has group or world access\nDETAIL:  File must have permissions u=rw (0600)',
            'tls: private key file "/etc/hapg/tls/tls.key" has group or world access (File must have permissions u=rw (0600))',
        ),
        (
            'postgres: FATAL:  could not load library "/x.so": undefined symbol: y',
            'postgresql.parameters.shared_preload_libraries: could not load library "/x.so": undefined symbol: y',
        ),
        ("LOG:  starting PostgreSQL\nSegmentation fault", "Segmentation fault"),
        ("", "no error message"),
    ],
)
def test_a_setting_is_named_by_its_value(said: str, expected: str) -> None:
    assert explain(f"{said}\npg_hba.conf:\n{HBA}") == expected


@pytest.mark.parametrize(
    "said",
    [
        "FATAL:  database files are incompatible with server\nDETAIL:  The database cluster was initialized with PG_CONTROL_VERSION 0, but",
        'PANIC:  could not read file "global/pg_control": read 0 of 296',
        "FATAL:  incorrect checksum in control file",
    ],
)
def test_data_is_not_called_a_setting(said: str) -> None:
    assert explain(f"{said}\npg_hba.conf:\n{HBA}") is None
