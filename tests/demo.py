"""`make demo`: a release on a real cluster, rows, a live failover, the rows again.

It can be repeated: it reuses what an earlier run left. The client is a pod that writes through the Service, with one connection per row,
like an application without a pool. The gap it prints is the longest time between two acknowledged rows.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.cluster import chosen
from tests.cluster.errors import ClusterError
from tests.cluster.paths import REPOSITORY

CHART = "charts/ha-postgres-15"
VALUES = "values-examples/tutorial-warm.yaml"
RELEASE = "ha-postgres"
NAMESPACE = "demo"
CLIENT = "demo-client"
SELECTOR = f"kubedb.com/name={RELEASE}"
ROLE = "kubedb.com/role"

NAMESPACE_OBJECT = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}

# Each row is retried until it is acknowledged; a retry of a row that was written without an answer does nothing. Prints `ROW TIME` for
# each acknowledgement and `- TIME` for each failure.
WRITER = """
row=$1
while [ ! -e /tmp/stop ] && [ "$SECONDS" -lt 180 ]; do
  if timeout 1 psql -qAtX -c "INSERT INTO demo VALUES ($row) ON CONFLICT DO NOTHING" 2>/dev/null
  then echo "$row $EPOCHREALTIME"; row=$((row + 1))
  else echo "- $EPOCHREALTIME"; sleep 0.02
  fi
done
"""


class DemoError(Exception):
    """The demo failed to show what it is meant to show."""


def run(*command: str, show: bool = False, stdin: str | None = None, check: bool = True, limit: float = 330) -> str:
    """Return a command's output. Raise DemoError with the end of it if the command fails and `check` is set."""
    if show:
        print(f"\n$ {shlex.join(command)}", flush=True)
    done = subprocess.run(
        command, env=chosen.environment(), cwd=REPOSITORY, input=stdin or "", capture_output=True, text=True, check=False, timeout=limit
    )
    if check and done.returncode:
        raise DemoError(f"{shlex.join(command)}: exit {done.returncode}\n{done.stderr.strip() or done.stdout.strip()}")
    if show:
        print(done.stdout.rstrip(), flush=True)
    return done.stdout


def kubectl(*arguments: str, show: bool = False, stdin: str | None = None, check: bool = True) -> str:
    """Run kubectl in the demo's namespace."""
    return run("kubectl", "--namespace", NAMESPACE, *arguments, show=show, stdin=stdin, check=check)


def say(text: str) -> None:
    """Print a heading."""
    print(f"\n--- {text}", flush=True)


def until(what: str, limit: float, test: Callable[[], bool], pause: float = 0.5) -> float:
    """Wait for `test`; return how long that took, in seconds. Raise DemoError after `limit` seconds."""
    begin = time.monotonic()
    while not test():
        if time.monotonic() - begin > limit:
            raise DemoError(f"after {limit:.0f} s still not: {what}\n{kubectl('get', 'pods,events', check=False)}")
        time.sleep(pause)
    return time.monotonic() - begin


def pods() -> list[dict[str, Any]]:
    """The pods of the release."""
    items: list[dict[str, Any]] = json.loads(kubectl("get", "pods", "--selector", SELECTOR, "--output", "json"))["items"]
    return items


def ready(pod: dict[str, Any]) -> bool:
    """True if a pod is ready and isn't being deleted."""
    conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def primaries() -> list[str]:
    """Names of the pods labelled primary."""
    return [pod["metadata"]["name"] for pod in pods() if pod["metadata"]["labels"].get(ROLE) == "primary"]


def at_full_strength() -> bool:
    """True if there are three ready pods, one primary and two replicas."""
    found = pods()
    roles = sorted(pod["metadata"]["labels"].get(ROLE, "") for pod in found)
    return roles == ["primary", "replica", "replica"] and all(ready(pod) for pod in found)


def show_status() -> None:
    """Print the release as the tutorial does."""
    kubectl("get", "pods", "--selector", SELECTOR, "--show-labels", show=True)
    kubectl("get", "pods", "--selector", SELECTOR, "--label-columns", ROLE, "--output", "wide", show=True)
    columns = "NAME:.metadata.name,CLUSTER-IP:.spec.clusterIP,SELECTOR:.spec.selector"
    kubectl("get", "services", "--selector", SELECTOR, "--output", f"custom-columns={columns}", show=True)


def install() -> None:
    """Install the chart, or upgrade an earlier demo's release."""
    until("the namespace is usable", 120, lambda: "Terminating" not in run("kubectl", "get", "namespace", NAMESPACE, check=False))
    run("kubectl", "apply", "--filename", "-", stdin=json.dumps(NAMESPACE_OBJECT))
    status = run("helm", "status", RELEASE, "--namespace", NAMESPACE, "--output", "json", check=False)
    if status and str(json.loads(status)["info"]["status"]).startswith(("pending", "uninstalling")):
        run("helm", "uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
    options = (*chosen.image_options(), *shlex.split(os.environ.get("HELM_ARGS", "")))
    run("helm", "upgrade", "--install", RELEASE, CHART, "--namespace", NAMESPACE, "--values", VALUES, *options, show=True)


def start_client() -> None:
    """Start the pod that writes: the release's own PostgreSQL image, with psql, and the password from the Secret."""
    containers = json.loads(kubectl("get", "statefulset", RELEASE, "--output", "json"))["spec"]["template"]["spec"]["containers"]
    image = next(container["image"] for container in containers if container["name"] == "postgres")
    password = {"secretKeyRef": {"name": f"{RELEASE}-auth", "key": "POSTGRES_PASSWORD"}}
    settings = {"PGHOST": RELEASE, "PGUSER": "postgres", "PGDATABASE": "postgres", "PGOPTIONS": "-c statement_timeout=1000"}
    container = {
        "name": "client",
        "image": image,
        "command": ["bash", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"],
        "env": [{"name": "PGPASSWORD", "valueFrom": password}, *({"name": name, "value": value} for name, value in settings.items())],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": CLIENT},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 999, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }
    kubectl("delete", "pod", CLIENT, "--ignore-not-found", "--wait")
    kubectl("apply", "--filename", "-", stdin=json.dumps(pod))
    kubectl("wait", "--for=condition=Ready", f"pod/{CLIENT}", "--timeout=120s")


def sql(statement: str, *, show: bool = False) -> str:
    """Run a statement through the Service."""
    form = ("-X",) if show else ("-qAtX",)
    return kubectl("exec", CLIENT, "--", "psql", *form, "-v", "ON_ERROR_STOP=1", "-c", statement, show=show).strip()


@dataclass
class Writes:
    """The answers that the client got: acknowledged rows, and their times (its own clock, in seconds)."""

    rows: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    refused: int = 0

    def note(self, line: str) -> None:
        """Parse a line of the writer."""
        row, _, moment = line.partition(" ")
        if row == "-":
            self.refused += 1
        else:
            self.rows.append(int(row))
            self.times.append(float(moment))

    def gap(self) -> float:
        """Return the longest time between two acknowledgements, in seconds."""
        return max(later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False))


@contextmanager
def writer(first: int) -> Iterator[Writes]:
    """Write rows from `first` on while the context lasts."""
    writes = Writes()
    command = ["kubectl", "--namespace", NAMESPACE, "exec", CLIENT, "--", "bash", "-c", WRITER, "writer", str(first)]
    with subprocess.Popen(command, env=chosen.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        stream = process.stdout

        def read() -> None:
            for line in stream:
                writes.note(line.strip())

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            yield writes
            kubectl("exec", CLIENT, "--", "touch", "/tmp/stop")
            reader.join(10)
        finally:
            process.terminate()


def fail_over(first: int) -> Writes:
    """Delete the primary's pod while rows are written; return the client's answers."""
    [old] = primaries()
    with writer(first) as writes:
        until("50 rows are acknowledged", 60, lambda: len(writes.rows) >= 50, 0.1)
        kubectl("delete", "pod", old, "--wait=false", show=True)
        took = until("another pod is labelled primary", 60, lambda: primaries() not in ([], [old]), 0.1)
        print(f"{primaries()[0]} is labelled primary after {took:.1f} s", flush=True)
        before = len(writes.rows)
        until("50 more rows are acknowledged", 60, lambda: len(writes.rows) >= before + 50, 0.1)
        took = until(f"{old} is back as a replica", 180, at_full_strength)
        print(f"{old} is back as a replica, {took:.1f} s later", flush=True)
    return writes


def demo() -> None:
    """Run all steps."""
    say("install")
    begin = time.monotonic()
    install()
    kubectl("rollout", "status", f"statefulset/{RELEASE}", "--timeout=300s")
    until("one primary and two replicas are ready", 300, at_full_strength)
    print(f"one primary and two replicas after {time.monotonic() - begin:.0f} s")
    show_status()

    say("write rows")
    start_client()
    sql("CREATE TABLE IF NOT EXISTS demo (row bigint PRIMARY KEY, at timestamptz DEFAULT now())")
    first = int(sql("SELECT coalesce(max(row), 0) + 1 FROM demo"))

    say("a live failover: delete the primary's pod while rows are written")
    writes = fail_over(first)
    show_status()
    until("two replicas stream", 60, lambda: sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "2")
    sql("SELECT application_name, client_addr, state, sync_state FROM pg_stat_replication ORDER BY 1", show=True)

    say("are the rows there?")
    there = {int(row) for row in sql(f"SELECT row FROM demo WHERE row >= {first}").split()}
    lost = sorted(set(writes.rows) - there)
    print(f"{len(writes.rows)} rows acknowledged, {len(lost)} of them lost, {writes.refused} attempts refused")
    print(f"longest time without an acknowledged row: {writes.gap():.2f} s")
    if lost:
        raise DemoError(f"lost rows: {lost[:20]}")
    kubectl("delete", "pod", CLIENT, "--wait=false")
    print(f"\nThe release stays: kubectl --namespace {NAMESPACE} get pods. To remove it: helm uninstall {RELEASE} --namespace {NAMESPACE}")


def main() -> int:
    """Run the demo; print 'demo ok' on success."""
    try:
        demo()
    except (DemoError, ClusterError, subprocess.TimeoutExpired) as error:
        print(f"\ndemo failed: {error}", file=sys.stderr)
        return 1
    print("demo ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
