"""What scanners of manifests expect of pods, for every pod that the chart can render; the exceptions are those of docs/security.md."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chart import helm, test_everything
from tests.chart.test_platform_uid import IMPORT, pods

OWN = helm.values(
    {name: [] for name in ("extraContainers", "initContainers", "extraVolumes", "extraVolumeMounts", "extraEnv", "extraEnvFrom")}
)
"""Without what users add to the pods."""
EVERY = [(*test_everything.SET, *OWN), IMPORT]
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
SECURITY = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}

Check = Callable[[helm.Object], bool]


def every_pod() -> list[tuple[str, helm.Object]]:
    """The specs of all pods, each with the name of the object that makes it."""
    return [(name, spec) for options in EVERY for (_, name), each in helm.objects(*options).items() for spec in pods(each)]


def every_container() -> list[tuple[str, helm.Object]]:
    return [(container["name"], container) for _, spec in every_pod() for container in helm.containers(spec).values()]


def from_a_secret(container: helm.Object) -> bool:
    return any("secretKeyRef" in each.get("valueFrom", {}) for each in container.get("env", [])) or bool(container.get("envFrom"))


def stays(container: helm.Object) -> bool:
    """True for the containers of a server's pod that run as long as it."""
    return container["name"] in ("postgres", "failover", "backup") and container.get("args") != ["verify"]


POD: dict[str, Check] = {
    "no user of the node": lambda spec: spec["securityContext"]["runAsNonRoot"] is True,
    "seccomp": lambda spec: spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"},
    "no namespace of the node": lambda spec: not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(),
    "no path of the node": lambda spec: not any("hostPath" in volume for volume in spec.get("volumes", [])),
    "no token unless asked for": lambda spec: spec["automountServiceAccountToken"] is False,
    "no variables for each Service": lambda spec: spec["enableServiceLinks"] is False,
}
CONTAINER: dict[str, Check] = {
    "no privileges": lambda container: container["securityContext"] == SECURITY,
    "no port of the node": lambda container: not any("hostPort" in port for port in container.get("ports", [])),
    "requests": lambda container: container["resources"]["requests"].keys() == {"cpu", "memory"},
    "a tag": lambda container: container["image"].partition("@")[0].rpartition(":")[2] not in ("", "latest"),
    "a pull policy": lambda container: container["imagePullPolicy"] in ("IfNotPresent", "Always"),
    "no Secret in a variable": lambda container: not from_a_secret(container),
    "no token": lambda container: TOKEN not in [mount["mountPath"] for mount in container.get("volumeMounts", [])],
    "a liveness probe": lambda container: "livenessProbe" in container or not stays(container),
}
POD_EXCEPTIONS = {"no token unless asked for": {"everything-wipe"}}
CONTAINER_EXCEPTIONS = {
    "no Secret in a variable": {"psql"},  # of helm test, which runs for a moment
    "no token": {"prepare", "failover"},
    "a liveness probe": {"postgres"},  # the agent knows more
}


@pytest.mark.parametrize("check", POD)
def test_security_of_every_pod(check: str) -> None:
    found = every_pod()
    assert len(found) >= 10
    assert {name for name, spec in found if not POD[check](spec)} == POD_EXCEPTIONS.get(check, set())


@pytest.mark.parametrize("check", CONTAINER)
def test_security_of_every_container(check: str) -> None:
    found = every_container()
    assert {name for name, _ in found} >= {"prepare", "former-major", "failover", "backup", "postgres", "psql", "request", "import", "wipe"}
    assert {name for name, container in found if not CONTAINER[check](container)} == CONTAINER_EXCEPTIONS.get(check, set())


def test_security_every_object_names_its_namespace() -> None:
    found = helm.objects(*test_everything.SET, *OWN)
    own = {key: each for key, each in found.items() if not key[1].endswith(("-extra", "-text"))}
    assert {each["metadata"].get("namespace") for each in own.values()} == {"demo", "monitoring"}
