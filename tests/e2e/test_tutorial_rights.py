"""The rights of the tutorial's release, and the places where its password must not appear, after all steps of test_tutorial.py."""

from __future__ import annotations

import base64

import pytest

from tests.cluster import chosen, nodes, process
from tests.robustness.release import Release

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(300)]

MAY = [
    ("get", "secret/ha-postgres-auth"),
    ("get", "secret/ha-postgres-replication"),
    ("get", "lease/ha-postgres"),
    ("update", "lease/ha-postgres"),
    ("patch", "pod/ha-postgres-0"),
    ("list", "pods"),
]
MAY_NOT = [
    ("list", "secrets"),
    ("watch", "secrets"),
    ("get", "secret/another"),
    ("update", "secret/ha-postgres-auth"),
    ("delete", "secret/ha-postgres-auth"),
    ("update", "secret/ha-postgres-replication"),
    ("get", "lease/another"),
    ("delete", "lease/ha-postgres"),
    ("patch", "pod/another"),
    ("delete", "pod/ha-postgres-0"),
    ("create", "pods"),
    ("create", "pods/exec"),
    ("get", "configmap/ha-postgres-config"),
    ("update", "statefulset/ha-postgres"),
    ("list", "nodes"),
    ("*", "*"),
]


def may(release: Release, verb: str, what: str, namespace: str) -> str:
    account = f"system:serviceaccount:{release.namespace.name}:{release.name}"
    done = release.namespace.try_kubectl("auth", "can-i", verb, what, "--as", account, "--namespace", namespace)
    return done.out.strip()


class TestRights:
    @pytest.mark.parametrize(("verb", "what"), MAY)
    def test_agent_may(self, tutorial: Release, verb: str, what: str) -> None:
        assert may(tutorial, verb, what, tutorial.namespace.name) == "yes"

    @pytest.mark.parametrize(("verb", "what"), MAY_NOT)
    def test_agent_may_not(self, tutorial: Release, verb: str, what: str) -> None:
        assert may(tutorial, verb, what, tutorial.namespace.name) == "no"

    @pytest.mark.parametrize(("verb", "what"), [*MAY, ("create", "leases"), ("create", "secrets")])
    def test_agent_may_nothing_in_another_namespace(self, tutorial: Release, verb: str, what: str) -> None:
        assert may(tutorial, verb, what, "default") == "no"

    def test_only_the_agent_has_a_token(self, tutorial: Release) -> None:
        path = "/var/run/secrets/kubernetes.io/serviceaccount"
        for pod in tutorial.namespace.get("pods", "--selector", tutorial.selector):
            spec = pod["spec"]
            assert spec["automountServiceAccountToken"] is False
            containers = [*spec["containers"], *spec["initContainers"]]
            holders = {each["name"] for each in containers if any(mount["mountPath"] == path for mount in each["volumeMounts"])}
            assert holders == {"failover", "prepare"}


@pytest.fixture(scope="module")
def secrets(tutorial: Release) -> tuple[str, ...]:
    """The two passwords, in plain text and as encoded in the Secrets."""
    entries = [("ha-postgres-auth", "POSTGRES_PASSWORD"), ("ha-postgres-replication", "REPLICATION_PASSWORD")]
    encoded = [tutorial.namespace.get("secret", name)["data"][key] for name, key in entries]
    return (*(base64.b64decode(each).decode() for each in encoded), *encoded)


class TestPassword:
    @pytest.mark.parametrize(
        "what", ["pods", "events", "statefulsets", "controllerrevisions", "configmaps", "leases", "services", "persistentvolumeclaims"]
    )
    def test_isnt_in_objects(self, tutorial: Release, secrets: tuple[str, ...], what: str) -> None:
        text = tutorial.namespace.kubectl("get", what, "--output", "yaml")
        assert "kind: " in text
        assert [secret for secret in secrets if secret in text] == []

    def test_isnt_in_what_helm_keeps(self, tutorial: Release, secrets: tuple[str, ...]) -> None:
        text = tutorial.namespace.helm("get", "all", tutorial.name)
        assert "kind: StatefulSet" in text
        assert [secret for secret in secrets if secret in text] == []

    def test_isnt_in_logs(self, tutorial: Release, secrets: tuple[str, ...]) -> None:
        for pod in tutorial.pods():
            for container in ("prepare", "failover", "postgres"):
                for which in ("--previous=false", "--previous=true"):
                    text = tutorial.namespace.try_kubectl("logs", pod.name, "--container", container, which).text
                    assert [secret for secret in secrets if secret in text] == [], f"{pod.name} {container}"

    def test_isnt_in_process_lists(self, tutorial: Release, secrets: tuple[str, ...]) -> None:
        """A process's environment is readable only by its own user; its command line is readable by all."""
        if not chosen.is_local():
            pytest.skip("only on the local cluster")
        for pod in tutorial.pods():
            for container in ("failover", "postgres"):
                lines = [process.command_line(each.pid) for each in nodes.processes(tutorial.namespace.name, pod.name, container)]
                assert any(lines)
                assert [line for line in lines for secret in secrets if secret in line] == []
