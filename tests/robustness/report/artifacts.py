"""Saves a namespace's objects, events and logs as files when a test fails."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.cluster.paths import REPOSITORY
from tests.robustness import programs
from tests.robustness.programs import Namespace, ProgramError

FOLDER = REPOSITORY / "build" / "e2e-artifacts"
OBJECTS = (
    "pods,statefulsets,services,endpointslices,configmaps,persistentvolumeclaims,leases,serviceaccounts,poddisruptionbudgets,jobs,cronjobs"
)
LIMIT_SECONDS = 30.0


def slug(test: str) -> str:
    """Return a file name for a test, from its node id."""
    return re.sub(r"[^\w.-]+", "-", test.rpartition("/")[2]).strip("-")


def save_all(test: str) -> Path:
    """Save all namespaces in use; return the folder, which is named after the test."""
    folder = FOLDER / slug(test)
    shutil.rmtree(folder, ignore_errors=True)
    for namespace in list(programs.OPEN):
        save(namespace, folder / namespace.name)
    return folder


def attach(report: pytest.TestReport) -> None:
    """Save all namespaces in use if a test has failed, and add the folder to its report."""
    if report.failed and programs.OPEN:
        report.sections.append(("artifacts", str(save_all(report.nodeid).relative_to(REPOSITORY))))


def save(namespace: Namespace, folder: Path) -> None:
    """Save a namespace below `folder`, without Secrets and without what can't be read."""
    folder.mkdir(parents=True, exist_ok=True)

    def keep(name: str, *arguments: str) -> str:
        try:
            found = namespace.try_kubectl(*arguments, limit=LIMIT_SECONDS).text
        except ProgramError as error:
            found = str(error)
        (folder / name).write_text(found + "\n", encoding="utf-8")
        return found

    keep("pods.txt", "get", "pods", "--output", "wide", "--show-labels")
    keep("objects.yaml", "get", OBJECTS, "--output", "yaml")
    keep("events.txt", "get", "events", "--sort-by", ".lastTimestamp")
    keep("describe.txt", "describe", "pods")
    containers = (
        "{range .items[*]}{range .spec.initContainers[*]}{.name} {end}{range .spec.containers[*]}{.name} {end}{.metadata.name}{'\\n'}{end}"
    )
    for line in keep("containers.txt", "get", "pods", "--output", f"jsonpath={containers}").splitlines():
        *names, pod = line.split()
        for name in names:
            keep(f"{pod}.{name}.log", "logs", pod, "--container", name, "--timestamps")
            keep(f"{pod}.{name}.previous.log", "logs", pod, "--container", name, "--timestamps", "--previous")
