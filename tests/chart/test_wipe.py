"""The value `wipeOut`: an uninstallation also deletes the data."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kubernetes.client import Configuration

from hapg_failover import __main__ as program
from hapg_failover.adapters.kube.removal import Removal
from hapg_failover.wiping import Wipe
from hapg_protocol import kept
from tests.chart import helm
from tests.chart.test_rights import Right, right

WIPE = ("--set", "wipeOut=true")
KINDS = ("ServiceAccount", "Role", "RoleBinding", "Job")
BOTH = pytest.mark.parametrize("version", helm.VERSIONS)


def job(*options: str, **how: str) -> helm.Object:
    return helm.objects(*WIPE, *options, **how)["Job", "ha-postgres-wipe"]


@BOTH
def test_only_a_release_with_wipe_out_gets_the_rights_to_wipe(version: str) -> None:
    added = helm.objects(*WIPE, version=version).keys() - helm.objects(version=version).keys()
    assert added == {(kind, "ha-postgres-wipe") for kind in KINDS}


@BOTH
def test_the_wipe_runs_after_an_uninstallation_and_leaves_nothing_of_its_own(version: str) -> None:
    found = helm.objects(*WIPE, version=version)
    weights = {}
    for kind in KINDS:
        annotations = found[kind, "ha-postgres-wipe"]["metadata"]["annotations"]
        # Argo CD compares the whole value, so nothing else may be in it.
        assert annotations["helm.sh/hook"] == "post-delete"
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
        weights[kind] = int(annotations["helm.sh/hook-weight"])
    assert weights == {"ServiceAccount": -1, "Role": -1, "RoleBinding": -1, "Job": 0}


def test_wipe_out_restarts_nothing() -> None:
    assert helm.pod(*WIPE) == helm.pod()


def test_the_image_has_the_command_that_the_wipe_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def wipe(environment: object, release: str, labels: dict[str, str]) -> int:
        asked.append((release, labels))
        return 0

    monkeypatch.setattr("hapg_failover.container.wipe", wipe)
    [container] = job("--set", "labelDomain=example.org")["spec"]["template"]["spec"]["containers"]
    assert program.main(container["args"]) == 0
    assert asked == [("ha-postgres", {"example.org/kind": "Postgres", "example.org/name": "ha-postgres"})]
    assert [each["name"] for each in container["env"]] == ["POD_NAMESPACE"]


def test_the_pod_of_the_wipe_is_restricted_and_belongs_to_no_service() -> None:
    template = job()["spec"]["template"]
    assert not {"kubedb.com/name", "kubedb.com/kind"} & template["metadata"]["labels"].keys()
    spec = template["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == helm.containers(helm.pod()["spec"])["failover"]["image"]


@pytest.mark.parametrize(("grace", "deadline"), [(120, 240), (3600, 3720)])
def test_the_wipe_waits_longer_than_a_pod_may_take_to_stop(grace: int, deadline: int) -> None:
    assert job("--set", f"terminationGracePeriodSeconds={grace}")["spec"]["activeDeadlineSeconds"] == deadline


@pytest.fixture
def recorded() -> Iterator[tuple[Configuration, set[Right]]]:
    """An API server where each object is there when it is asked for the first time, and being deleted; and what was asked of it."""
    asked: set[Right] = set()
    seen: set[str] = set()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.add(right(self.command, self.path))
            once = f"{self.command} {self.path}"
            status = 404 if once in seen else 200
            seen.add(once)
            body = json.dumps({"metadata": {"labels": {"a": "b"}, "deletionTimestamp": "2026-01-02T03:04:05Z"}}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_DELETE = do_GET  # noqa: N815 - so http.server calls it

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Configuration(host=f"http://127.0.0.1:{server.server_port}"), asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_role_allows_what_the_wipe_does_and_no_more(recorded: tuple[Configuration, set[Right]]) -> None:
    configuration, asked = recorded
    Wipe(Removal("demo", configuration), lambda _: None, lambda _: None).run("ha-postgres", {"a": "b"})
    allowed: set[Right] = {
        (group, resource, verb, name)
        for rule in helm.objects(*WIPE)["Role", "ha-postgres-wipe"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule["resourceNames"]
    }
    assert asked == allowed


def test_the_wipe_knows_as_many_servers_as_the_chart_allows() -> None:
    schema = json.loads((helm.CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert schema["properties"]["replicas"]["maximum"] == kept.MOST_SERVERS
    rights = helm.objects()["Role", "ha-postgres"]["rules"]
    assert kept.pods("ha-postgres") in [tuple(rule.get("resourceNames", ())) for rule in rights]
