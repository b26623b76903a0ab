"""The files of a new release for Git: spec, values, what Argo CD or Flux installs, and a check for CI. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from hapg import yamlio
from hapg.errors import InputError
from hapg.spec import parser
from hapg.spec.version_profiles import USUAL

DELIVERIES = ("argocd", "flux")
PLACEHOLDER = "https://git.example.com/GROUP/REPOSITORY.git"
"""The Git repository, for the user to replace."""

CHECK = "check-chart.sh"


@dataclass(frozen=True)
class Answers:
    """What hapg init asks for. folder: of the files in the repository, "." for its top; delivery: one of DELIVERIES."""

    name: str = "ha-postgres"
    version: str = USUAL
    replicas: str = "3"
    size: str = "8Gi"
    delivery: str = DELIVERIES[0]
    namespace: str = "default"
    repository: str = PLACEHOLDER
    folder: str = "."

    @property
    def chart(self) -> str:
        """The chart's path in the repository."""
        return f"charts/{self.name}" if self.folder == "." else f"{self.folder}/charts/{self.name}"


QUESTIONS: Mapping[str, str] = {
    "name": "Name of the release",
    "version": "Major of PostgreSQL",
    "replicas": "Number of servers",
    "size": "Size of each server's volume",
    "delivery": f"Who installs it: {' or '.join(DELIVERIES)}",
}
"""The question for each of the answers that is asked for."""


def problems(answers: Answers) -> list[str]:
    """Return a sentence for each answer that can't be."""
    found = [] if answers.delivery in DELIVERIES else [f"delivery: {answers.delivery} is not allowed; {' or '.join(DELIVERIES)}"]
    if not answers.replicas.isdigit():
        return [*found, f"spec.replicas: {answers.replicas} is not a number"]
    try:
        parser.parse(files_of_chart(answers)["postgres.yaml"].encode(), "postgres.yaml")
    except InputError as error:
        found += error.problems
    return found


def files(answers: Answers) -> dict[str, str]:
    """Return the files by name."""
    delivered = {"argocd": ("argocd.yaml", [_application(answers)]), "flux": ("flux.yaml", [_repository(answers), _helm_release(answers)])}
    name, objects = delivered[answers.delivery]
    return {**files_of_chart(answers), name: _yaml(*objects), CHECK: _check(answers)}


def files_of_chart(answers: Answers) -> dict[str, str]:
    """Return the files from which the chart is generated, by name."""
    spec = {
        "version": answers.version,
        "replicas": int(answers.replicas),
        "storage": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": answers.size}}},
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
    }
    metadata = {"name": answers.name, "namespace": answers.namespace}
    document = {"apiVersion": "kubedb.com/v1alpha1", "kind": "Postgres", "metadata": metadata, "spec": spec}
    return {
        "postgres.yaml": _yaml(document),
        "values.yaml": "# Values that have no key in postgres.yaml. All of them: the chart's README.md.\n"
        "# imageRegistry: the registry with the image ha-postgres-failover, and that of PostgreSQL.\n"
        + _yaml({"global": {"imageRegistry": ""}}),
    }


def _application(answers: Answers) -> dict[str, Any]:
    source = {"repoURL": answers.repository, "targetRevision": "main", "path": answers.chart}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": answers.name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {**source, "helm": {"releaseName": answers.name}},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": answers.namespace},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["CreateNamespace=true"]},
        },
    }


def _repository(answers: Answers) -> dict[str, Any]:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": answers.name, "namespace": answers.namespace},
        "spec": {"url": answers.repository, "ref": {"branch": "main"}, "interval": "5m"},
    }


def _helm_release(answers: Answers) -> dict[str, Any]:
    source = {"kind": "GitRepository", "name": answers.name}
    chart = {"chart": f"./{answers.chart}", "sourceRef": source, "reconcileStrategy": "Revision"}
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": answers.name, "namespace": answers.namespace},
        "spec": {"releaseName": answers.name, "interval": "10m", "chart": {"spec": chart}},
    }


def _check(answers: Answers) -> str:
    return f"""\
#!/bin/sh
# For CI: fails if charts/{answers.name} is not what postgres.yaml, values.yaml and hooks/ make of it, or if it does not render.
set -eu
cd "$(dirname "$0")"
hapg generate postgres.yaml --values values.yaml -o charts --check
helm template {answers.name} charts/{answers.name} --namespace {answers.namespace} > /dev/null
"""


def _yaml(*documents: object) -> str:
    return "---\n".join(yaml.dump(each, Dumper=yamlio.Dumper, sort_keys=False, allow_unicode=True) for each in documents)
