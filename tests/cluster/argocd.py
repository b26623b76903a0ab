"""Argo CD beside the local cluster: its repo server and application controller, and a Git server, run on this machine.

The manifests are the module's own. Argo CD's API server does not run: tests use the Application objects, as GitOps does.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import beside, builds, debian, local, process
from tests.cluster.builds import Build
from tests.cluster.commands import run, succeeds
from tests.cluster.errors import ClusterError
from tests.cluster.paths import BIN, CLUSTER, KUBECONFIG
from tests.ports import free_port

NAMESPACE = "argocd"
SERVER = "https://kubernetes.default.svc"
"""The destination of Applications: the cluster that the controller itself uses."""

_MODULE = "github.com/argoproj/argo-cd/v3"
BUILD = Build("argocd", {"argocd": f"{_MODULE}/cmd"})
_ROLES = ("argocd-repo-server", "argocd-application-controller")
_BRANCH = "main"
_DELETED_SECONDS = "120s"


@dataclass(frozen=True)
class Repository:
    """A Git repository that the repo server reads. folder: its working tree; url: where it is served."""

    folder: Path
    url: str

    def commit(self, message: str) -> str:
        """Commit all of the working tree; return the revision."""
        self._git("add", "--all")
        self._git("commit", "--quiet", f"--message={message}")
        return self._git("rev-parse", "HEAD").strip()

    def revert(self) -> str:
        """Revert the last commit; return the new revision."""
        self._git("revert", "--no-edit", "HEAD")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *words: str) -> str:
        return run(["git", "-c", "user.name=tests", "-c", "user.email=tests@example.com", *words], cwd=self.folder)


@dataclass(frozen=True)
class ArgoCd:
    """The running Argo CD. logs: the folder of its programs' logs."""

    repository: Repository
    logs: Path

    def log(self) -> str:
        """The controller's log."""
        return (self.logs / f"{_ROLES[1]}.log").read_text(errors="replace")


def program() -> Path:
    """Build Argo CD and install what it needs, if needed; return its path."""
    debian.ensure_program("redis-server", "redis-server")
    debian.ensure_program("git", "git")
    return builds.ensure((BUILD,))["argocd"]


@contextmanager
def running() -> Iterator[ArgoCd]:
    """Argo CD while the context lasts. Every Application has to be deleted at the end, and is deleted without its resources otherwise."""
    path = program()
    with tempfile.TemporaryDirectory(prefix="argocd-") as name, ExitStack() as stack:
        folder = Path(name)
        stack.callback(_uninstall)
        _install(_manifests())
        repository, port = folder / "git" / "repository", free_port()
        repository.mkdir(parents=True)
        run(["git", "init", "--quiet", f"--initial-branch={_BRANCH}"], cwd=repository)
        redis, repo, controller = free_port(), free_port(), folder / "controller.yaml"
        controller.write_text(yaml.safe_dump(_kubeconfig()))
        for role in _ROLES:
            (folder / role).symlink_to(path)
        for empty in ("tls", "ssh", "home"):
            (folder / empty).mkdir()
        environment = {
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_TLS_DATA_PATH": str(folder / "tls"),
            "ARGOCD_SSH_DATA_PATH": str(folder / "ssh"),
            "HOME": str(folder / "home"),
            "KUBECONFIG": str(controller),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            process.MARK: str(CLUSTER),
        }
        loopback = "127.0.0.1"
        commands = {
            "redis": ["redis-server", "--bind", loopback, "--port", str(redis), "--save", "", "--appendonly", "no"],
            "git": ["git", "daemon", f"--base-path={folder / 'git'}", "--export-all", f"--listen={loopback}", f"--port={port}"],
            _ROLES[0]: [
                *(str(folder / _ROLES[0]), "--redis", f"{loopback}:{redis}", "--address", loopback, "--port", str(repo), "--disable-tls"),
                *("--metrics-address", loopback, "--metrics-port", str(free_port())),
            ],
            _ROLES[1]: [
                *(str(folder / _ROLES[1]), "--redis", f"{loopback}:{redis}", "--repo-server", f"{loopback}:{repo}"),
                *("--repo-server-plaintext", "--kubeconfig", str(controller), "--namespace", NAMESPACE),
                *("--metrics-port", str(free_port())),
            ],
        }
        awaited = {"redis": redis, "git": port, _ROLES[0]: repo}
        for role, command in commands.items():
            stack.enter_context(beside.started(command, environment, folder, folder / f"{role}.log"))
            if role in awaited:
                beside.wait_for(f"{role} (see {folder / role}.log)", lambda role=role: beside.listens(awaited[role]))  # type: ignore[misc]
        yield ArgoCd(Repository(repository, f"git://{loopback}:{port}/repository"), folder)


def _manifests() -> Path:
    """The module's manifests, in Go's module cache."""
    found = json.loads(run(["go", "mod", "download", "-json", _MODULE], cwd=BUILD.sources, env={"GOWORK": "off"}))
    return Path(found["Dir"]) / "manifests"


def _install(manifests: Path) -> None:
    local.kubectl("apply", "--server-side", "--kustomize", str(manifests / "crds"))
    beside.wait_for("the kinds of Argo CD", _kinds_are_served)
    _apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    local.kubectl("apply", "--namespace", NAMESPACE, "--kustomize", str(manifests / "base" / "config"))
    key = json.dumps({"stringData": {"server.secretkey": "tests"}})
    local.kubectl("patch", "secret", "argocd-secret", "--namespace", NAMESPACE, "--patch", key)
    about = {"name": "default", "namespace": NAMESPACE}
    everything = {"sourceRepos": ["*"], "destinations": [{"namespace": "*", "server": "*"}]}
    _apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-redis", "namespace": NAMESPACE}, "stringData": {"auth": ""}},
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": about, "spec": everything},
    )


def _kinds_are_served() -> bool:
    kinds = "applications.argoproj.io,appprojects.argoproj.io"
    return succeeds([str(BIN / "kubectl"), f"--kubeconfig={KUBECONFIG}", "get", kinds, "--all-namespaces"])


def _uninstall() -> None:
    """Remove all of it. An Application that a failed test has left loses its finalizer first: nobody would fulfil it."""
    with suppress(ClusterError):
        found = local.kubectl("get", "applications.argoproj.io", "--namespace", NAMESPACE, "--output", "name").split()
        for application in found:
            patch = json.dumps({"metadata": {"finalizers": None}})
            local.kubectl("patch", application, "--namespace", NAMESPACE, "--type=merge", "--patch", patch)
    crds = [f"crd/{kind}.argoproj.io" for kind in ("applications", "appprojects", "applicationsets")]
    local.kubectl("delete", "--ignore-not-found", f"--timeout={_DELETED_SECONDS}", *crds, f"namespace/{NAMESPACE}")


def _apply(*objects: dict[str, Any]) -> None:
    local.kubectl("apply", "--filename", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def _kubeconfig() -> dict[str, Any]:
    """The cluster's kubeconfig with Argo CD's namespace, which the controller takes from there."""
    config: dict[str, Any] = yaml.safe_load(KUBECONFIG.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = NAMESPACE
    return config
