"""TLS in the rendered charts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart import helm

SECRET = ("--set", "tls.secretName=own")
CHARTS = pytest.mark.parametrize("chart", helm.CHARTS, ids=lambda chart: chart.name)


def rules(*options: str, chart: Path = helm.CHART) -> list[list[str]]:
    """The lines of pg_hba.conf that aren't comments, in words."""
    text = helm.objects(*options, chart=chart)["ConfigMap", "ha-postgres-config"]["data"]["pg_hba.conf"]
    return [line.split() for line in text.splitlines() if not line.startswith("#")]


def environment(container: str, *options: str) -> dict[str, str]:
    entries = helm.containers(helm.pod(*options)["spec"])[container].get("env", [])
    return {entry["name"]: entry["value"] for entry in entries if "SSL" in entry["name"]}


@CHARTS
def test_required_means_no_rule_lets_anybody_in_without(chart: Path) -> None:
    given = (*SECRET, "--set", "tls.mode=require", *helm.values({"postgresql.pgHba": ["host all all 10.0.0.0/8 trust"]}))
    first, second, *others = rules(*given, chart=chart)
    assert first == ["local", "all", "all", "trust"]
    assert second == ["hostnossl", "all,replication", "all", "all", "reject"]
    assert [rule for rule in others if rule[0] != "hostssl"] == [["host", "all", "all", "10.0.0.0/8", "trust"]]


@CHARTS
def test_allowed_changes_no_rule(chart: Path) -> None:
    assert rules(*SECRET, "--set", "tls.mode=allow", chart=chart) == rules(chart=chart)


def test_the_members_rules_come_before_the_users() -> None:
    given = rules(*helm.values({"postgresql.pgHba": ["host all all all reject"]}))
    assert given[0] == ["local", "all", "all", "trust"]
    assert given[1][:3] == given[2][:3] == ["host", "postgres,replication", "ha_postgres_replication,postgres"]
    assert given[3] == ["host", "all", "all", "all", "reject"]
    assert given[4:] == rules()[1:]


def test_access_rules_restart_nothing() -> None:
    assert helm.pod(*helm.values({"postgresql.pgHba": ["host all all all reject"]})) == helm.pod()


@pytest.mark.parametrize(
    ("options", "postgres", "failover"),
    [
        ((), {}, {}),
        (("--set", "tls.mode=allow", *SECRET), {"HAPG_SSLMODE": "prefer"}, {"PGSSLMODE": "prefer"}),
        (
            ("--set", "tls.mode=require", *SECRET),
            {"HAPG_SSLMODE": "verify-ca"},
            {"PGSSLMODE": "verify-ca", "PGSSLROOTCERT": "/etc/hapg/tls/ca.crt"},
        ),
        (("--set", "tls.mode=require,tls.verifyCa=false", *SECRET), {"HAPG_SSLMODE": "require"}, {"PGSSLMODE": "require"}),
    ],
)
def test_how_members_connect(options: tuple[str, ...], postgres: dict[str, str], failover: dict[str, str]) -> None:
    assert environment("postgres", *options) == postgres
    assert environment("failover", *options) == failover


def test_both_containers_see_the_same_files() -> None:
    spec = helm.pod("--set", "tls.mode=allow", *SECRET)["spec"]
    (volume,) = [each for each in spec["volumes"] if each["name"] == "tls"]
    assert volume["secret"] == {"secretName": "own", "defaultMode": 0o440}
    for name in ("postgres", "failover"):
        mount = {"name": "tls", "mountPath": "/etc/hapg/tls", "readOnly": True}
        assert mount in helm.containers(spec)[name]["volumeMounts"]


@pytest.mark.parametrize("mode", ["off", False])
def test_off_is_off(mode: object) -> None:
    assert helm.objects(*helm.values({"tls.mode": mode})) == helm.objects()


def test_a_certificate_of_cert_manager() -> None:
    options = ("--set", "tls.mode=require,tls.certManager.issuerRef.name=company")
    spec = helm.objects(*options)["Certificate", "ha-postgres"]["spec"]
    assert spec["secretName"] == "ha-postgres-tls"
    assert spec["issuerRef"] == {"name": "company", "kind": "Issuer", "group": "cert-manager.io"}
    assert {"ha-postgres.demo.svc", "ha-postgres-replicas.demo", "ha-postgres-readonly.demo", "*.ha-postgres-pods.demo.svc"} <= set(
        spec["dnsNames"]
    )
    (volume,) = [each for each in helm.pod(*options)["spec"]["volumes"] if each["name"] == "tls"]
    assert volume["secret"]["secretName"] == "ha-postgres-tls"


@pytest.mark.parametrize("version", helm.HELM_4_SLOWLY)
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"tls.mode": "require"}, "tls: mode require needs a certificate; set secretName or certManager.issuerRef.name"),
        (
            {"tls": {"mode": "allow", "secretName": "a", "certManager": {"issuerRef": {"name": "b"}}}},
            "tls: secretName and certManager.issuerRef.name exclude each other",
        ),
        (
            {"tls": {"mode": "allow", "secretName": "a"}, "postgresql.parameters.ssl": False},
            "postgresql.parameters.ssl: can't be set, because tls.mode allow sets it",
        ),
        ({"postgresql.pgHba": ["local all all trust"]}, "- at '/postgresql/pgHba/0': 'local all all trust' does not match pattern"),
        ({"extraEnv": [{"name": "POD_NAME", "value": "x"}]}, "extraEnv: POD_NAME can't be set, because it is the chart's own"),
        ({"extraVolumes": [{"name": "data", "emptyDir": {}}]}, "extraVolumes: the name data is the chart's own"),
        (
            {"extraVolumeMounts": [{"name": "x", "mountPath": "/var/lib/postgresql"}]},
            "extraVolumeMounts: /var/lib/postgresql overlaps the chart's own /var/lib/postgresql/data",
        ),
        (
            {"extraVolumeMounts": [{"name": "x", "mountPath": "/etc/hapg/tls/../config"}]},
            "extraVolumeMounts: /etc/hapg/tls/../config overlaps the chart's own /etc/hapg",
        ),
        ({"extraContainers": [{"name": "postgres"}]}, "extraContainers: the name postgres is the chart's own"),
        ({"initContainers": [{"name": "failover"}]}, "initContainers: the name failover is the chart's own"),
        ({r"commonLabels.kubedb\.com/role": "primary"}, "commonLabels: kubedb.com/role can't be set, because it is the chart's own"),
        ({"podDisruptionBudget.maxUnavailable": "half"}, "- at '/podDisruptionBudget/maxUnavailable': 'half' does not match pattern"),
    ],
)
def test_what_is_refused(given: dict[str, object], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*helm.values(given), version=version)
