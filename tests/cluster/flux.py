"""Flux's helm-controller beside the local cluster, run on this machine, and what stands in for its source-controller.

The controller and the definition of HelmRelease are the module's own. source-controller does not run: the tests write the status of an
OCIRepository, and the chart is served from a folder.
"""

import functools
import hashlib
import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import beside, builds, local, process
from tests.cluster.builds import Build
from tests.cluster.commands import run, succeeds
from tests.cluster.errors import ClusterError
from tests.cluster.paths import BIN, CLUSTER, KUBECONFIG
from tests.ports import free_port

RELEASES = "helmreleases.helm.toolkit.fluxcd.io"
SOURCES = "ocirepositories.source.toolkit.fluxcd.io"
_MODULE = "github.com/fluxcd/helm-controller"
BUILD = Build("helm-controller", {"helm-controller": _MODULE})
_DEFINITION = Path("config", "crd", "bases", "helm.toolkit.fluxcd.io_helmreleases.yaml")
_SOURCE_KINDS = {"OCIRepository": "ocirepositories", "HelmChart": "helmcharts"}
"""The kinds of source-controller that helm-controller watches."""
_DELETED_SECONDS = "120s"


class _Handler(SimpleHTTPRequestHandler):
    """Serves a folder's files and logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


@dataclass(frozen=True)
class Flux:
    """The running helm-controller. charts: the folder that is served at `url`; logs: the folder of the controller's log."""

    charts: Path
    url: str
    logs: Path

    def artifact(self, package: Path) -> dict[str, Any]:
        """The status of an OCIRepository that has fetched a packaged chart, which is in `charts`; without observedGeneration."""
        content = package.read_bytes()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        version = package.stem.rpartition("-")[2]
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        artifact = {
            "digest": digest,
            "lastUpdateTime": now,
            "path": package.name,
            "revision": f"{version}@{digest}",
            "size": len(content),
            "url": f"{self.url}/{package.name}",
        }
        ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "fetched", "lastTransitionTime": now}
        return {"artifact": artifact, "conditions": [ready]}

    def log(self) -> str:
        """The controller's log."""
        return (self.logs / "helm-controller.log").read_text(errors="replace")


def program() -> Path:
    """Builds helm-controller, if needed; returns its path."""
    return builds.ensure((BUILD,))["helm-controller"]


def definition() -> dict[str, Any]:
    """The module's definition of HelmRelease."""
    found = json.loads(run(["go", "mod", "download", "-json", _MODULE], cwd=BUILD.sources, env={"GOWORK": "off"}))
    made: dict[str, Any] = yaml.safe_load((Path(found["Dir"]) / _DEFINITION).read_text(encoding="utf-8"))
    return made


@contextmanager
def running() -> Iterator[Flux]:
    """helm-controller while the context lasts. HelmReleases that are left at its end are deleted without their releases."""
    path = program()
    with tempfile.TemporaryDirectory(prefix="flux-") as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "charts").mkdir()
        stack.callback(_uninstall)
        _install()
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder / "charts")))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        health = free_port()
        command = [str(path), "--metrics-addr=127.0.0.1:0", f"--health-addr=127.0.0.1:{health}", "--log-level=debug"]
        environment = {"KUBECONFIG": str(KUBECONFIG), "HOME": str(folder), process.MARK: str(CLUSTER)}
        stack.enter_context(beside.started(command, environment, folder, folder / "helm-controller.log"))
        beside.wait_for(f"helm-controller (see {folder}/helm-controller.log)", lambda: beside.listens(health))
        yield Flux(folder / "charts", f"http://127.0.0.1:{server.server_address[1]}", folder)


def _source_definition(kind: str, plural: str) -> dict[str, Any]:
    """A kind of source-controller with anything in it, because that module's definitions are not at hand."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": anything, "status": anything}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
    group = "source.toolkit.fluxcd.io"
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _install() -> None:
    kinds = [definition(), *(_source_definition(*each) for each in _SOURCE_KINDS.items())]
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": kinds})
    local.kubectl("apply", "--server-side", "--filename", "-", stdin=objects)
    beside.wait_for("the kinds of Flux", _kinds_are_served)


def _kinds_are_served() -> bool:
    kinds = f"{RELEASES},{SOURCES}"
    return succeeds([str(BIN / "kubectl"), f"--kubeconfig={KUBECONFIG}", "get", kinds, "--all-namespaces"])


def _uninstall() -> None:
    """Remove all of it. A HelmRelease that a failed test has left loses its finalizer first: nobody would fulfil it."""
    with suppress(ClusterError):
        found = json.loads(local.kubectl("get", RELEASES, "--all-namespaces", "--output", "json"))["items"]
        for each in found:
            about = each["metadata"]
            patch = json.dumps({"metadata": {"finalizers": None}})
            local.kubectl("patch", f"{RELEASES}/{about['name']}", "--namespace", about["namespace"], "--type=merge", "--patch", patch)
    crds = [f"crd/{RELEASES}", *(f"crd/{plural}.source.toolkit.fluxcd.io" for plural in _SOURCE_KINDS.values())]
    local.kubectl("delete", "--ignore-not-found", f"--timeout={_DELETED_SECONDS}", *crds)
