"""What the Services have in common, and which of them leads where."""

from __future__ import annotations

from typing import Any

import pytest

from hapg_protocol.pods import HOT_STANDBY
from tests.chart import helm

ALL: dict[str, Any] = {
    "archiver": {"type": "s3", "bucket": "backups", "secretName": "s3"},
    "monitor": {"agent": "prometheus.io/builtin"},
}
ENDS = ("", "-replicas", "-readonly", "-pods", "-stats", "-backup", "-backup-stats")
PAIR = {"kubedb.com/kind": "Postgres", "kubedb.com/name": "ha-postgres"}
TABLE = pytest.mark.parametrize("version", helm.HELM_4_SLOWLY)


def services(values: dict[str, Any], version: str = "helm3") -> dict[str, dict[str, Any]]:
    """The specs of all Services, by what their names have after that of the release."""
    found = helm.objects(*helm.values({**ALL, **values}), version=version)
    return {name.removeprefix("ha-postgres"): document["spec"] for (kind, name), document in found.items() if kind == "Service"}


def test_reads_are_led_to_ready_pods_that_say_they_are_hot_standbys() -> None:
    spec = services({})["-readonly"]
    assert spec["selector"] == {**PAIR, HOT_STANDBY: "true"}
    assert "publishNotReadyAddresses" not in spec


def test_no_pod_is_labelled_as_a_hot_standby_by_the_chart() -> None:
    assert HOT_STANDBY not in helm.pod()["metadata"]["labels"]
    refused = helm.refusal(*helm.values({"podLabels": {HOT_STANDBY: "true"}}))
    assert f"podLabels: {HOT_STANDBY} can't be set; the failover container sets it" in refused


def test_every_port_says_which_protocol_is_spoken_there() -> None:
    """Names of IANA's registry, without a prefix, as Kubernetes asks for."""
    spoken = {(end, port["name"]): port["appProtocol"] for end, spec in services({}).items() for port in spec["ports"]}
    assert {end for end, _ in spoken} == set(ENDS)
    assert {name: protocol for (_, name), protocol in spoken.items()} == {
        "postgresql": "postgresql",
        "http": "http",
        "metrics": "http",
        "backup": "http",
    }


@TABLE
def test_all_services_have_the_address_families_that_are_asked_for(version: str) -> None:
    asked = {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "RequireDualStack"}
    found = services({"service": asked}, version)
    assert set(found) == set(ENDS)
    for spec in found.values():
        assert asked.items() <= spec.items()


def test_without_them_they_are_the_clusters() -> None:
    for spec in services({}).values():
        assert not {"ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"} & spec.keys()


def test_two_families_are_no_single_stack() -> None:
    refused = helm.refusal(*helm.values({"service": {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "SingleStack"}}))
    assert "service.ipFamilies: IPv4 and IPv6 are two families, and service.ipFamilyPolicy is SingleStack; name one, or choose" in refused


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"service": {"ipFamilies": ["IPv5"]}}, "- at '/service/ipFamilies/0': value must be one of 'IPv4', 'IPv6'"),
        ({"service": {"ipFamilies": ["IPv4", "IPv4"]}}, "- at '/service/ipFamilies': items at 0 and 1 are equal"),
        ({"service": {"ipFamilyPolicy": "DualStack"}}, "- at '/service/ipFamilyPolicy': value must be one of"),
        (
            {"service": {"readonly": {"internalTrafficPolicy": "local"}}},
            "- at '/service/readonly/internalTrafficPolicy': value must be one of",
        ),
        ({"clusterDomain": "Cluster.local"}, "- at '/clusterDomain': 'Cluster.local' does not match pattern"),
        ({"clusterDomain": "cluster.local."}, "- at '/clusterDomain': 'cluster.local.' does not match pattern"),
    ],
)
def test_what_is_no_family_policy_or_domain_is_refused(values: dict[str, Any], sentence: str) -> None:
    assert sentence in helm.refusal(*helm.values(values))


def test_each_service_for_clients_has_its_own_policy_for_traffic() -> None:
    found = services(
        {
            "service": {
                "internalTrafficPolicy": "Cluster",
                "replicas": {"internalTrafficPolicy": "Local"},
                "readonly": {"internalTrafficPolicy": "Local", "annotations": {"example.com/a": "b"}},
            }
        }
    )
    policies = {end: spec.get("internalTrafficPolicy") for end, spec in found.items()}
    assert {end: policy for end, policy in policies.items() if policy} == {"": "Cluster", "-replicas": "Local", "-readonly": "Local"}


def test_a_certificate_has_the_names_in_the_domain_of_the_cluster() -> None:
    issued = {"tls": {"mode": "require", "certManager": {"issuerRef": {"name": "ca"}}}, "clusterDomain": "cluster.example"}
    names = helm.objects(*helm.values(issued))["Certificate", "ha-postgres"]["spec"]["dnsNames"]
    assert {f"ha-postgres{end}.demo.svc.cluster.example" for end in ("", "-replicas", "-readonly")} <= set(names)
    assert "*.ha-postgres-pods.demo.svc.cluster.example" in names
