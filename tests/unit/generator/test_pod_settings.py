"""The chart sets the environment variables and the keys of failover.json that hapg_protocol.settings knows, and no others."""

from __future__ import annotations

import re

import pytest

from hapg.chart import render
from hapg.spec.version_profiles import PROFILES
from hapg_failover.adapters import script
from hapg_failover.core.timing import Timing
from hapg_failover.settings import TIMING
from hapg_protocol import version_profile
from hapg_protocol.settings import ENVIRONMENT, KEYS, PROFILE

FILES = {path: data.decode() for path, data in render.chart("ha-postgres", PROFILES["15"], {}).items()}
SUPERVISOR = "\n".join(path.read_text(encoding="utf-8") for path in script.sources())
BY_A_TEST = {"HAPG_CONFIG", "HAPG_FORMER", "HAPG_RUN", "HAPG_SCRIPTS", "HAPG_SHM", "HAPG_TLS", "HAPG_VOLUME"}
"""Directories, which are elsewhere in tests/supervisor."""


def environments() -> dict[str, set[str]]:
    """The variables of each container in the template of the StatefulSet, which sets some of them on a condition."""
    parts = re.split(r"^        - name: (\w+)\n          image: ", FILES["templates/statefulset.yaml"], flags=re.MULTILINE)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    blocks = {name: re.search(r"\n          env:\n(.*?)\n          [a-z]\w*:", text, re.DOTALL) for name, text in found.items()}
    return {name: set(re.findall(r"^            - name: (\w+)$", match[1], re.MULTILINE)) for name, match in blocks.items() if match}


def test_the_environment() -> None:
    assert environments() == {name: set(variables) for name, variables in ENVIRONMENT.items()}


def test_the_supervisor_reads_its_environment() -> None:
    read = set(re.findall(r"\b(HAPG_\w+|POD_NAME)\b", SUPERVISOR))
    assert read - BY_A_TEST == set(ENVIRONMENT["postgres"])


def test_the_supervisor_reads_words_of_the_version_profile() -> None:
    [required] = re.findall(r"^for word in (major .*); do$", SUPERVISOR, re.MULTILINE)
    asked = set(re.findall(r"(?:\bif (?:! )?has |PROFILE\[)([a-z]\w+)\b", SUPERVISOR))
    words = {key for key, name in version_profile.NAMES.items() if name != "sql_names"}
    assert asked == set(required.split())
    assert asked <= words


def test_the_keys_of_the_settings() -> None:
    text = FILES["templates/config.yaml"].partition("  failover.json: |\n")[2].partition("  postgresql.conf: |")[0]
    for name, keys in KEYS.items():
        if name in ("source", "app"):  # a line of JSON each, which tests/chart/test_clone.py and test_app.py read
            continue
        indent, part = "      ", text
        if name:
            [part] = re.findall(rf'^      "{name}": {{\n(.*?)^      }}', text, re.MULTILINE | re.DOTALL)
            indent = "        "
        if name != "failover":  # these are the keys of the values
            assert re.findall(rf'^{indent}"(\w+)": ', part, re.MULTILINE) == list(keys), name


def test_the_times_are_keys_of_the_values() -> None:
    values = FILES["values.yaml"].partition("\nfailover:\n")[2].partition("\n\n")[0]
    found = dict(re.findall(r"^  (\w+): (\S+)$", values, re.MULTILINE))
    assert set(found) == set(KEYS["failover"])
    assert {key: float(found[key]) for key in TIMING} == {key: getattr(Timing(), name) for key, name in TIMING.items()}
    assert set(TIMING) | {"maxLagBytes"} == set(KEYS["failover"])


@pytest.mark.parametrize("major", PROFILES)
def test_the_profile_is_written_with_the_keys_by_which_it_is_read(major: str) -> None:
    written = PROFILES[major].json_fields
    assert list(written) == list(KEYS[PROFILE]) == list(version_profile.NAMES)
    assert {key: type(value) for key, value in written.items()} == {key: known.kind for key, known in KEYS[PROFILE].items()}
