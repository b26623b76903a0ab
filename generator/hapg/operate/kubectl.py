"""The cluster, by way of the `kubectl` on PATH: the only module that runs it. Rights and contexts are the user's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hapg.errors import HapgError
from hapg_protocol.model import PodPatch
from hapg_protocol.pods import merge_patch

CALL_SECONDS = 15

Object = Mapping[str, Any]


class KubectlError(HapgError):
    """kubectl isn't there, or ended with an error, which the text repeats."""


class Cluster(Protocol):
    """What the commands ask of the cluster. Everything raises KubectlError."""

    @property
    def namespace(self) -> str:
        """The namespace that is worked in."""

    def find(self, kind: str, name: str) -> Object | None:
        """Return an object, None if it isn't there."""

    def select(self, kind: str, labels: Mapping[str, str]) -> list[Object]:
        """Return the objects that have these labels."""

    def annotate(self, pod: str, uid: str, annotations: Mapping[str, str | None]) -> None:
        """Change annotations of the pod that has this UID; None removes one."""


@dataclass(frozen=True)
class Kubectl:
    """The user's kubectl. Of chosen_namespace, context and kubeconfig None leaves the choice to kubectl."""

    chosen_namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None

    @property
    def namespace(self) -> str:
        """See Cluster."""
        if self.chosen_namespace is not None:
            return self.chosen_namespace
        return self._run("config", "view", "--minify", "--output", "jsonpath={..namespace}").strip() or "default"

    def find(self, kind: str, name: str) -> Object | None:
        """See Cluster."""
        text = self._run("get", kind, name, "--ignore-not-found", "--output", "json")
        return _parse(text) if text.strip() else None

    def select(self, kind: str, labels: Mapping[str, str]) -> list[Object]:
        """See Cluster."""
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        found: list[Object] = _parse(self._run("get", kind, "--selector", selector, "--output", "json"))["items"]
        return found

    def annotate(self, pod: str, uid: str, annotations: Mapping[str, str | None]) -> None:
        """See Cluster."""
        patch = json.dumps(merge_patch(PodPatch(pod, uid, annotations=dict(annotations))))
        self._run("patch", "pod", pod, "--type", "merge", "--patch", patch, "--output", "name")

    def _run(self, *arguments: str) -> str:
        command = ["kubectl"]
        for option, value in (("context", self.context), ("kubeconfig", self.kubeconfig), ("namespace", self.chosen_namespace)):
            if value is not None:
                command.append(f"--{option}={value}")
        command += [f"--request-timeout={CALL_SECONDS}s", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=2 * CALL_SECONDS)
        except FileNotFoundError as error:
            raise KubectlError("kubectl isn't on PATH; hapg talks to the cluster through it") from error
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"kubectl {arguments[0]}: no answer within {2 * CALL_SECONDS} s") from error
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments[:3])}: {' '.join(done.stderr.split()) or f'exit code {done.returncode}'}")
        return done.stdout


def _parse(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise KubectlError(f"kubectl printed something that isn't JSON: {text[:80]!r}") from error
    if not isinstance(found, dict):
        raise KubectlError(f"kubectl printed no object: {text[:80]!r}")
    return found
