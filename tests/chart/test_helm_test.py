"""The script of `helm test`, run here with the HTTP servers of pods."""

from __future__ import annotations

import re
import subprocess

import pytest

from hapg_failover.adapters.probes import Answers, Probes
from tests.chart import helm

REFUSED = 'postgresql.parameters.work_mem: invalid value for parameter "work_mem": "16 bananas"'


def served(refused: str) -> int:
    """Return the port of a pod that refuses its configuration for this reason, '' if it doesn't."""
    probes = Probes(0, Answers(lambda: True, lambda: (True, "primary"), str, lambda: refused))
    probes.start()
    return probes.port


def verdict(*refused: str, absent: int = 0) -> tuple[int, list[str]]:
    """Run the script for a release whose pods refuse their configuration for these reasons; return its exit code and lines.

    absent: so many pods more don't answer.
    """
    found = helm.objects("--set", f"replicas={len(refused) + absent}")
    [script] = found["Pod", "ha-postgres-test-primary"]["spec"]["containers"][0]["args"]
    script = re.sub(r"/\S+/psql", "echo t; true", script)
    ports = {f"ha-postgres-{ordinal}": served(reason) for ordinal, reason in enumerate(refused)}
    where = "".join(f" {pod}.ha-postgres-pods) port={port} ;;" for pod, port in ports.items())
    script = script.replace('"/dev/tcp/$0/8008"', f'"/dev/tcp/127.0.0.1/$(case $0 in{where} *) port=1 ;; esac; echo $port)"')
    done = subprocess.run(["/bin/bash", "-ec", script], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("absent", [0, 1])
def test_pods_that_accept_their_configuration_or_do_not_answer_are_well(absent: int) -> None:
    assert verdict("", "", absent=absent) == (0, ["primary: t"])


def test_each_pod_that_refuses_its_configuration_is_named_with_the_reason() -> None:
    said = [f"ha-postgres-{ordinal} refuses its configuration: {REFUSED}" for ordinal in (0, 2)]
    assert verdict(REFUSED, "", REFUSED) == (1, ["primary: t", *said])
