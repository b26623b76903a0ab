"""The rendered NetworkPolicy. tests/e2e tests its effect."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart import helm

POLICY = ("NetworkPolicy", "ha-postgres")
PAIR = {"kubedb.com/kind": "Postgres", "kubedb.com/name": "ha-postgres"}
RELEASE = {"podSelector": {"matchLabels": PAIR}}
CLIENT = {"podSelector": {"matchLabels": {"example.com/database-client": "true"}}}
MONITORING = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}


def spec(version: str = "helm3", **given: Any) -> dict[str, Any]:
    options = helm.values({"networkPolicy": {"enabled": True, **given}})
    found: dict[str, Any] = helm.objects(*options, version=version)[POLICY]["spec"]
    return found


def tcp(*ports: int) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def test_there_is_none_unless_it_is_asked_for() -> None:
    assert POLICY not in helm.objects()


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_what_everybody_may(version: str) -> None:
    found = spec(version)
    assert found["podSelector"] == RELEASE["podSelector"]
    assert found["policyTypes"] == ["Ingress", "Egress"]
    assert found["ingress"] == [{"from": [RELEASE], "ports": tcp(5432, 8009)}, {"ports": tcp(5432)}, {"ports": tcp(8008)}]
    assert found["egress"] == [
        {"to": [RELEASE], "ports": tcp(5432, 8009)},
        {"ports": [{"protocol": "UDP", "port": 53}, *tcp(53, 443, 6443)]},
    ]


def test_clients_and_who_reads_the_metrics_are_listed() -> None:
    own, clients, metrics = spec(clients=[CLIENT], metrics=[MONITORING])["ingress"]
    assert own == {"from": [RELEASE], "ports": tcp(5432, 8009)}
    test = helm.objects()["Pod", "ha-postgres-test-primary"]["metadata"]["labels"]
    (listed, helm_test) = clients["from"]
    assert listed == CLIENT
    assert helm_test["podSelector"]["matchLabels"].items() <= test.items()
    assert metrics == {"from": [MONITORING, helm_test], "ports": tcp(8008)}


def test_every_port_of_the_pods_is_reached_by_a_rule() -> None:
    ports = {port["port"] for rule in spec()["ingress"] for port in rule["ports"]}
    containers = helm.containers(helm.pod()["spec"]).values()
    assert ports == {port["containerPort"] for container in containers for port in container.get("ports", [])}


def test_further_rules_come_last() -> None:
    rules: dict[str, Any] = {"extraIngress": [{"ports": tcp(6432)}], "extraEgress": [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]}
    found = spec(**rules)
    assert (found["ingress"][-1:], found["egress"][-1:]) == (rules["extraIngress"], rules["extraEgress"])


def test_it_follows_the_label_domain() -> None:
    found = helm.objects("--set", "networkPolicy.enabled=true,labelDomain=example.org")[POLICY]["spec"]
    assert found["podSelector"]["matchLabels"] == {"example.org/kind": "Postgres", "example.org/name": "ha-postgres"}
