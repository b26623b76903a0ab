"""The pod that talks to a release as an application does: over the network, with the password from the Secret."""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import dataclass

from tests.robustness.programs import Done, Namespace, ProgramError

CONTAINER = "client"
ROUTE_SECONDS = 10.0
NO_ROUTE = re.compile(r"(could not connect to server|connection to server .* failed): (Connection refused|No route to host)")
"""How psql says that the Service leads nowhere, or to a pod that is gone. The text of before PostgreSQL 14 comes first."""


@dataclass(frozen=True)
class Client:
    """A client pod: its namespace, name and node, and the Service it connects to by default."""

    namespace: Namespace
    name: str
    node: str
    host: str

    def command(self, *command: str) -> tuple[str, ...]:
        """The kubectl arguments that run a command in the pod."""
        return ("exec", self.name, "--container", CONTAINER, "--", *command)

    def try_psql(self, statement: str, *, host: str | None = None, setup: str = "", options: str = "") -> Done:
        """Run a statement; return the result.

        host: connect here instead of the Service; setup: shell commands to run first, to change the environment; options: further psql
        options.
        """
        psql = f"exec psql -X -v ON_ERROR_STOP=1 -h {shlex.quote(host or self.host)} {options} -c {shlex.quote(statement)}"
        return self.namespace.try_kubectl(*self.command("bash", "-c", f"{setup}\n{psql}"), limit=60)

    def sql(self, statement: str, *, host: str | None = None) -> list[list[str]]:
        """Return the rows of a statement's result. Raise ProgramError if it fails.

        Each node's kube-proxy learns a Service's new address up to a second later. Like an application, it retries the Service while no
        server is behind it. For a pod's own address there is only one attempt.
        """
        limit = time.monotonic() + ROUTE_SECONDS
        while True:
            done = self.try_psql(statement, host=host, options=r"-qAt -F $'\t'")
            if host is not None or not NO_ROUTE.search(done.err) or time.monotonic() > limit:
                break
            time.sleep(0.25)
        if done.code:
            raise ProgramError(f"{statement} at {host or self.host}: {done.text}")
        return [line.split("\t") for line in done.out.splitlines()]

    def timeline(self, host: str | None = None) -> int:
        """The primary's timeline. host: instead of the Service, which may lead to another server for a second after a fault."""
        return int(self.sql("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)", host=host)[0][0], 16)


def restricted_pod(name: str, container: dict[str, object], **spec: object) -> dict[str, object]:
    """A single-container pod that the restricted Pod Security Standard allows, without a token. spec: additional fields."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 999, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {**container, "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}},
            ],
            **spec,
        },
    }


def manifest(name: str, node: str, release: str, namespace: str, image: str) -> dict[str, object]:
    """The client pod: on one node, without permissions, with the Secret's password in its environment."""
    password = {"secretKeyRef": {"name": f"{release}-auth", "key": "POSTGRES_PASSWORD"}}
    settings = {"PGHOST": f"{release}.{namespace}", "PGUSER": "postgres", "PGDATABASE": "postgres", "PGCONNECT_TIMEOUT": "5"}
    container: dict[str, object] = {
        "name": CONTAINER,
        "image": image,
        "command": ["bash", "-c", "trap 'exit 0' TERM; sleep infinity & wait"],
        "env": [{"name": "PGPASSWORD", "valueFrom": password}, *({"name": key, "value": value} for key, value in settings.items())],
    }
    return restricted_pod(name, container, nodeSelector={"kubernetes.io/hostname": node}, terminationGracePeriodSeconds=2)
