"""Programs built from Go modules, each from its own pinned module. Those of the cluster are under
tests/cluster/go/.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import files
from tests.cluster.commands import run, succeeds
from tests.cluster.errors import ClusterError
from tests.cluster.output import step
from tests.cluster.paths import BIN, CACHE, GO_BUILDS, GO_MODULES, REPOSITORY

_KUBERNETES = "1.34.4"
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOWORK": "off"}


@dataclass(frozen=True)
class Build:
    """One Go module and the programs built from it: program name to package. parent: the folder that contains the module's folder."""

    module: str
    programs: dict[str, str]
    definitions: tuple[str, ...] = ()
    parent: Path = GO_MODULES

    @property
    def sources(self) -> Path:
        """The module's folder."""
        return self.parent / self.module

    def key(self) -> str:
        """Changes with any file that the programs are built from."""
        sources = [path for path in self.sources.iterdir() if path.is_file()]
        return files.digest(sources, repr(self.programs), repr(self.definitions))

    def folder(self) -> Path:
        """The folder for the finished programs."""
        return GO_BUILDS / f"{self.module}-{self.key()}"


def _kubernetes_version() -> tuple[str, ...]:
    major, minor, _ = _KUBERNETES.split(".")
    values = {"gitVersion": f"v{_KUBERNETES}", "gitMajor": major, "gitMinor": minor}
    return tuple(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())


def _helm3_version() -> tuple[str, ...]:
    """The Kubernetes version that `helm template` assumes; the default is v1.20."""
    major, minor, _ = _KUBERNETES.split(".")
    values = {"k8sVersionMajor": major, "k8sVersionMinor": minor}
    packages = ("chartutil", "lint/rules")
    return tuple(f"-X helm.sh/helm/v3/pkg/{package}.{name}={value}" for package in packages for name, value in values.items())


_KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
CLUSTER_BUILDS = (
    Build(
        "kubernetes",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES_PROGRAMS},
        _kubernetes_version(),
    ),
    Build("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Build("pause", {"pause": "."}),
    Build("coredns", {"coredns": "."}),
    Build("local-path-provisioner", {"local-path-provisioner": "github.com/rancher/local-path-provisioner"}),
)
POLICY_BUILDS = (Build("kube-router", {"kube-router": "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"}),)
OBJECT_STORE_BUILDS = (Build("versitygw", {"versitygw": "github.com/versity/versitygw/cmd/versitygw"}),)
GCS_BUILDS = (Build("gcs", {"gcs": "."}),)
LINEARIZABLE = Build("linearizable", {"linearizable": "."}, parent=REPOSITORY / "tests")
TOOL_BUILDS = (
    CLUSTER_BUILDS[0],
    Build("helm3", {"helm3": "helm.sh/helm/v3/cmd/helm"}, _helm3_version()),
    Build("helm4", {"helm4": "helm.sh/helm/v4/cmd/helm"}),
    Build("ct", {"ct": "github.com/helm/chart-testing/v3/ct"}),
    Build("kubeconform", {"kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"}),
    LINEARIZABLE,
)


def _fetch(build: Build) -> None:
    run(["go", "mod", "download"], env=_ENVIRONMENT, cwd=build.sources)


def _build(build: Build) -> None:
    with files.workspace(GO_BUILDS) as folder, step(f"building {build.module}"):
        flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", f"-ldflags={' '.join(('-s -w', *build.definitions))}"]
        packages = list(build.programs.values())
        target = folder / "bin"
        target.mkdir()
        output = f"{target}/" if len(packages) > 1 else str(target / next(iter(build.programs)))
        run(["go", "build", *flags, "-o", output, *packages], env=_ENVIRONMENT, cwd=build.sources)
        missing = [name for name in build.programs if not (target / name).is_file()]
        if missing:
            raise ClusterError(f"building {build.module} did not give {', '.join(missing)}")
        target.rename(build.folder())


def ensure(builds: tuple[Build, ...]) -> dict[str, Path]:
    """Builds the programs that are not cached, links them into the cache's bin/, and returns each program's path by name.

    Raises ClusterError if Go is missing or a build fails; in that case no partial result is left.
    """
    with files.lock(CACHE / "go.lock"):
        missing = [build for build in builds if not build.folder().is_dir()]
        if missing:
            if not succeeds(["go", "version"]):
                raise ClusterError("Go is not installed; it is needed to build Kubernetes and the tools")
            with step("fetching Go modules"), ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
                list(pool.map(_fetch, missing))
            for build in missing:
                _build(build)
        found = {name: build.folder() / name for build in builds for name in build.programs}
        for name, path in found.items():
            files.link(path, BIN / name)
        if "helm3" in found:
            files.link(found["helm3"], BIN / "helm")
    return found
