"""Access to the cluster through the `kubectl` on PATH, with the user's rights and contexts. Only this module runs it."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hapg.errors import HapgError
from hapg_protocol.model import PodPatch
from hapg_protocol.pods import merge_patch

CALL_SECONDS = 15

_CODE_OF_COMMAND = re.compile(r"command terminated with exit code ([0-9]+)\s*$")
"""kubectl's last line if the command, and not kubectl, has failed."""

_TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "replace"}
"""What kubectl writes, whatever the locale."""

_NOT_FOUND = "kubectl not found on PATH; hapg needs it to reach the cluster"

Object = Mapping[str, Any]


class KubectlError(HapgError):
    """kubectl was not found, or it failed; the text contains its error."""


class Cluster(Protocol):
    """The cluster as the commands use it. Every method raises KubectlError."""

    @property
    def namespace(self) -> str:
        """The namespace of the release."""

    def find(self, kind: str, name: str) -> Object | None:
        """Return an object, or None if it is not found."""

    def select(self, kind: str, labels: Mapping[str, str]) -> list[Object]:
        """Return the objects that have these labels."""

    def annotate(self, pod: str, uid: str, annotations: Mapping[str, str | None]) -> None:
        """Change annotations of the pod that has this UID; None removes one."""

    def last_line(self, pod: str) -> str:
        """Return the last line of the log of a pod with one container."""

    def execute(self, pod: str, container: str, command: Sequence[str], tell: Callable[[str], None], limit: float | None) -> int:
        """Run a command in a container and return its exit code.

        tell: is given each line of its output as it comes; limit: seconds, None for a command that may take as long as it needs.
        """


class Namespace(Protocol):
    """A namespace as the commands for dormant releases use it. Every method raises KubectlError."""

    @property
    def namespace(self) -> str:
        """The namespace's name."""

    def find(self, kind: str, name: str) -> Object | None:
        """Return an object, or None if it is not found."""

    def all(self, kind: str) -> list[Object]:
        """Return all objects of a kind."""

    def delete(self, kind: str, name: str) -> None:
        """Ask for the deletion of an object; it may take a while. No error if it is not found."""


class Resizable(Cluster, Namespace, Protocol):
    """A release and its namespace as `hapg resize` uses them. Every method raises KubectlError."""

    def find_with_managers(self, kind: str, name: str) -> Object | None:
        """Like `find`, with metadata.managedFields: who has set which field."""

    def patch(self, kind: str, name: str, patch: Object, *, dry_run: bool = False) -> None:
        """Change an object by a JSON merge patch; dry_run: only ask whether the API server would accept it."""

    def create(self, wanted: Object, manager: str) -> None:
        """Create an object. manager: who it is that sets its fields."""

    def erase(self, path: str, uid: str, version: str | None = None, *, orphan: bool = False, dry_run: bool = False) -> None:
        """Ask for the deletion of the object that has this UID, and this resourceVersion if given.

        path: the object's, as of `kubectl get --raw`; orphan: what belongs to the object stays; dry_run: only ask whether the API server
        would do it.
        """

    def may(self, verb: str, resource: str) -> bool:
        """Return whether the user may do that in the namespace. resource: such as pods, or statefulsets.apps/NAME."""


@dataclass(frozen=True)
class Kubectl:
    """The user's kubectl. chosen_namespace, context, kubeconfig: None leaves the choice to kubectl."""

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

    def all(self, kind: str) -> list[Object]:
        """See Namespace."""
        found: list[Object] = _parse(self._run("get", kind, "--output", "json"))["items"]
        return found

    def delete(self, kind: str, name: str) -> None:
        """See Namespace."""
        self._run("delete", kind, name, "--ignore-not-found", "--wait=false", "--output", "name")

    def find_with_managers(self, kind: str, name: str) -> Object | None:
        """See Resizable."""
        text = self._run("get", kind, name, "--ignore-not-found", "--show-managed-fields", "--output", "json")
        return _parse(text) if text.strip() else None

    def patch(self, kind: str, name: str, patch: Object, *, dry_run: bool = False) -> None:
        """See Resizable."""
        options = ["--dry-run=server"] if dry_run else []
        self._run("patch", kind, name, "--type", "merge", "--patch", json.dumps(patch), "--output", "name", *options)

    def create(self, wanted: Object, manager: str) -> None:
        """See Resizable."""
        self._run("create", "--filename", "-", "--field-manager", manager, "--output", "name", stdin=json.dumps(wanted))

    def erase(self, path: str, uid: str, version: str | None = None, *, orphan: bool = False, dry_run: bool = False) -> None:
        """See Resizable."""
        conditions = {"uid": uid} | ({} if version is None else {"resourceVersion": version})
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
        if orphan:
            options["propagationPolicy"] = "Orphan"
        if dry_run:
            options["dryRun"] = ["All"]
        self._run("delete", "--raw", path, "--filename", "-", stdin=json.dumps(options))

    def may(self, verb: str, resource: str) -> bool:
        """See Resizable."""
        answer = self._call("auth", "can-i", verb, resource)
        if answer.stdout.strip() not in ("yes", "no"):
            raise KubectlError(f"kubectl auth can-i {verb} {resource}: {' '.join(answer.stderr.split()) or answer.stdout.strip()}")
        return answer.stdout.strip() == "yes"

    def annotate(self, pod: str, uid: str, annotations: Mapping[str, str | None]) -> None:
        """See Cluster."""
        patch = json.dumps(merge_patch(PodPatch(pod, uid, annotations=dict(annotations))))
        self._run("patch", "pod", pod, "--type", "merge", "--patch", patch, "--output", "name")

    def last_line(self, pod: str) -> str:
        """See Cluster."""
        return self._run("logs", pod, "--tail=1")

    def execute(self, pod: str, container: str, command: Sequence[str], tell: Callable[[str], None], limit: float | None) -> int:
        """See Cluster."""
        arguments = [*self._kubectl(), "exec", pod, "--container", container, "--", *command]
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            try:
                process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, **_TEXT)
            except FileNotFoundError as error:
                raise KubectlError(_NOT_FOUND) from error
            timer = threading.Timer(limit, process.kill) if limit is not None else None
            with process:
                if timer is not None:
                    timer.start()
                try:
                    assert process.stdout is not None
                    for line in process.stdout:
                        tell(line.rstrip("\n"))
                    code = process.wait()
                finally:
                    process.kill()
                    if timer is not None:
                        timer.cancel()
            errors.seek(0)
            said = errors.read()
        if code < 0:
            raise KubectlError(f"kubectl exec {pod}: no end after {limit:g} s" if limit is not None else f"kubectl exec {pod}: was killed")
        if code and not _CODE_OF_COMMAND.search(said):
            raise KubectlError(f"kubectl exec {pod}: {' '.join(said.split()) or f'exit code {code}'}")
        return code

    def _kubectl(self) -> list[str]:
        command = ["kubectl"]
        for option, value in (("context", self.context), ("kubeconfig", self.kubeconfig), ("namespace", self.chosen_namespace)):
            if value is not None:
                command.append(f"--{option}={value}")
        return command

    def _run(self, *arguments: str, stdin: str = "") -> str:
        done = self._call(*arguments, stdin=stdin)
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments[:3])}: {' '.join(done.stderr.split()) or f'exit code {done.returncode}'}")
        return done.stdout

    def _call(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl. Its input is a file: an interrupt while kubectl starts would end a pipe before anything was written to it, and
        kubectl would delete an object without the conditions and options that it was to read.
        """
        command = [*self._kubectl(), f"--request-timeout={CALL_SECONDS}s", *arguments]
        with tempfile.TemporaryFile("w+", encoding="utf-8") as given:
            given.write(stdin)
            given.seek(0)
            try:
                return subprocess.run(command, capture_output=True, check=False, stdin=given, timeout=2 * CALL_SECONDS, **_TEXT)
            except FileNotFoundError as error:
                raise KubectlError(_NOT_FOUND) from error
            except subprocess.TimeoutExpired as error:
                raise KubectlError(f"kubectl {arguments[0]}: no answer within {2 * CALL_SECONDS} s") from error


def _parse(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise KubectlError(f"kubectl printed invalid JSON: {text[:80]!r}") from error
    if not isinstance(found, dict):
        raise KubectlError(f"kubectl printed no object: {text[:80]!r}")
    return found
