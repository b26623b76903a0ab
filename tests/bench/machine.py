"""The environment of the measurements."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from tests.robustness.programs import run


def describe() -> dict[str, object]:
    """Return the machine, the cluster and the date."""
    memory = next(line for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines() if line.startswith("MemTotal"))
    return {
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
        "processors": os.cpu_count(),
        "memory_gib": round(int(memory.split()[1]) / 2**20),
        "kernel": platform.release().split("-")[0],
        "kubernetes": run("kubectl", "get", "nodes", "--output", "jsonpath={.items[0].status.nodeInfo.kubeletVersion}"),
        "nodes": len(run("kubectl", "get", "nodes", "--output", "name").split()),
    }
