"""Scripts for the first server: their sources and where they are mounted."""

from __future__ import annotations

import pytest

from tests.chart import helm

SCRIPTS = {
    "10-app.sql": "CREATE DATABASE app;\n\\connect app\nSELECT '{{ .Values.x }}', $$it's: \"é\"$$;\n",
    "20.sql": "SELECT 1 -- no end of line",
    "30-true.sql": "true",
}


def sources(*options: str) -> list[dict[str, dict[str, str]]]:
    """The sources of the volume that is mounted at /etc/hapg/initdb, in the container of PostgreSQL alone."""
    spec = helm.pod(*options)["spec"]
    mounts = {
        name: mount
        for name, each in helm.containers(spec).items()
        for mount in each["volumeMounts"]
        if mount["mountPath"] == "/etc/hapg/initdb"
    }
    assert mounts == {"postgres": {"name": "initdb", "mountPath": "/etc/hapg/initdb", "readOnly": True}}
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == "initdb"]
    assert volume["projected"]["defaultMode"] == 0o440
    found: list[dict[str, dict[str, str]]] = volume["projected"]["sources"]
    return found


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_scripts_are_in_a_config_map_as_they_are_given(version: str) -> None:
    found = helm.objects(*helm.values({"initdb": {"scripts": SCRIPTS}}), version=version)
    assert found["ConfigMap", "ha-postgres-initdb"]["data"] == SCRIPTS


def test_scripts_are_mounted() -> None:
    chart = {"configMap": {"name": "ha-postgres-initdb"}}
    config_map, secret = {"configMap": {"name": "1e3"}}, {"secret": {"name": "true"}}
    assert sources(*helm.values({"initdb": {"scripts": SCRIPTS}})) == [chart]
    assert sources(*helm.values({"initdb": {"scriptsConfigMap": "1e3"}})) == [config_map]
    assert sources(*helm.values({"initdb": {"scriptsSecret": "true"}})) == [secret]
    everything = {"scripts": SCRIPTS, "scriptsConfigMap": "1e3", "scriptsSecret": "true"}
    assert sources(*helm.values({"initdb": everything})) == [chart, config_map, secret]


def test_without_scripts_nothing_is_mounted() -> None:
    assert "initdb" not in {volume["name"] for volume in helm.pod()["spec"]["volumes"]}


def test_other_scripts_restart_no_pod() -> None:
    pods = [helm.pod(*helm.values({"initdb": {"scripts": {"a.sql": text}}})) for text in ("SELECT 1", "SELECT 2")]
    assert pods[0] == pods[1]
