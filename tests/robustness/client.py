"""The pod that talks to a release as an application does: from the network, with the password of the Secret."""

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
    """A client pod: the namespace, its own name, the node it is on, and the Service it asks by default."""

    namespace: Namespace
    name: str
    node: str
    host: str

    def command(self, *command: str) -> tuple[str, ...]:
        """The arguments of kubectl that run a command in the pod."""
        return ("exec", self.name, "--container", CONTAINER, "--", *command)

    def try_psql(self, statement: str, *, host: str | None = None, setup: str = "", options: str = "") -> Done:
        """Run a statement; return what came of it.

        host: instead of the Service; setup: shell commands before, to change the environment; options: further ones of psql.
        """
        psql = f"exec psql -X -v ON_ERROR_STOP=1 -h {shlex.quote(host or self.host)} {options} -c {shlex.quote(statement)}"
        return self.namespace.try_kubectl(*self.command("bash", "-c", f"{setup}\n{psql}"), limit=60)

    def sql(self, statement: str, *, host: str | None = None) -> list[list[str]]:
        """Return the rows of a statement's result. Raise ProgramError if it fails.

        Each node's kube-proxy learns of a Service's new address a moment after everybody else, up to a second: as an application does,
        it asks the Service again while that leads to no server. A pod's own address is asked once.
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
        """The timeline on which the primary writes. host: instead of the Service, which may lead elsewhere for a second after a fault."""
        return int(self.sql("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)", host=host)[0][0], 16)


def restricted_pod(name: str, container: dict[str, object], **spec: object) -> dict[str, object]:
    """A pod of one container that the restricted Pod Security Standard allows, without a token. spec: what else it has."""
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
    """The client's pod: on one node, allowed nothing, with the Secret's password in its environment."""
    password = {"secretKeyRef": {"name": f"{release}-auth", "key": "POSTGRES_PASSWORD"}}
    settings = {"PGHOST": f"{release}.{namespace}", "PGUSER": "postgres", "PGDATABASE": "postgres", "PGCONNECT_TIMEOUT": "5"}
    container: dict[str, object] = {
        "name": CONTAINER,
        "image": image,
        "command": ["bash", "-c", "trap 'exit 0' TERM; sleep infinity & wait"],
        "env": [{"name": "PGPASSWORD", "valueFrom": password}, *({"name": key, "value": value} for key, value in settings.items())],
    }
    return restricted_pod(name, container, nodeSelector={"kubernetes.io/hostname": node}, terminationGracePeriodSeconds=2)
