"""The programs that users of a release have, run against the chosen cluster."""

from __future__ import annotations

import json
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import chosen
from tests.cluster.paths import REPOSITORY

HAPG = Path(sys.executable).with_name("hapg")
LIMIT_SECONDS = 180.0


class ProgramError(Exception):
    """A program exited with a code other than 0, or did not exit."""


@dataclass(frozen=True)
class Done:
    """The result of a program."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All its output."""
        return f"{self.out}\n{self.err}".strip()


def attempt(*command: str, stdin: str = "", limit: float = LIMIT_SECONDS) -> Done:
    """Run a program; return the result, even of a failure. Raise ProgramError if it doesn't exit."""
    try:
        done = subprocess.run(
            command, env=chosen.environment(), cwd=REPOSITORY, input=stdin, capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{shlex.join(command)}: no end after {limit:.0f} s") from error
    return Done(done.returncode, done.stdout, done.stderr)


def run(*command: str, stdin: str = "", limit: float = LIMIT_SECONDS) -> str:
    """Run a program and return its output. Raise ProgramError unless it exits with 0."""
    done = attempt(*command, stdin=stdin, limit=limit)
    if done.code:
        raise ProgramError(f"{shlex.join(command)[:2000]}: exit code {done.code}\n{done.text[-4000:]}")
    return done.out


def begin(*command: str, errors: int | None = None) -> subprocess.Popen[str]:
    """Start a program whose output is read as it arrives. errors: where stderr goes, as for subprocess; None: to our own."""
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(command, env=chosen.environment(), stdin=nothing, stdout=pipe, stderr=errors, text=True)


@dataclass(frozen=True)
class Namespace:
    """A namespace, and kubectl and helm for it."""

    name: str

    def try_kubectl(self, *arguments: str, stdin: str = "", limit: float = LIMIT_SECONDS) -> Done:
        """Run kubectl; return the result."""
        return attempt("kubectl", "--namespace", self.name, *arguments, stdin=stdin, limit=limit)

    def kubectl(self, *arguments: str, stdin: str = "", limit: float = LIMIT_SECONDS) -> str:
        """Run kubectl and return its output."""
        return run("kubectl", "--namespace", self.name, *arguments, stdin=stdin, limit=limit)

    def begin_kubectl(self, *arguments: str, errors: int | None = None) -> subprocess.Popen[str]:
        """Start a kubectl, like `begin`."""
        return begin("kubectl", "--namespace", self.name, *arguments, errors=errors)

    def get(self, *arguments: str) -> Any:
        """Return the result of `kubectl get` as JSON: the object, or the list of a selection's items."""
        found = json.loads(self.kubectl("get", *arguments, "--output", "json"))
        return found["items"] if found["kind"].endswith("List") else found

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects."""
        self.kubectl("apply", "--filename", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def try_helm(self, *arguments: str, program: str = "helm3") -> Done:
        """Run Helm; return the result."""
        return attempt(program, "--namespace", self.name, *arguments)

    def helm(self, *arguments: str, program: str = "helm3") -> str:
        """Run Helm and return its output."""
        return run(program, "--namespace", self.name, *arguments)


OPEN: list[Namespace] = []
"""The namespaces of the tests that are running: what is looked at when one fails."""


@contextmanager
def namespace(prefix: str) -> Iterator[Namespace]:
    """A new namespace that enforces the restricted Pod Security Standard; it is deleted afterwards, without waiting."""
    made = Namespace(f"{prefix}-{secrets.token_hex(2)}")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    made.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.name, "labels": labels}})
    OPEN.append(made)
    try:
        yield made
    finally:
        OPEN.remove(made)
        made.try_kubectl("delete", "namespace", made.name, "--wait=false")
