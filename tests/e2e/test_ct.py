"""`ct lint` and `ct install --upgrade` with the values that a chart brings in its ci folder, from
one version of the chart to the next. The packages in tests/chart/released need the failover image
of their time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cluster import chosen
from tests.cluster.fixtures import Cluster
from tests.cluster.paths import BIN, REPOSITORY
from tests.robustness import programs

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

MAJORS = ("15", "9.6", "17", "18")
"""Those whose images the cluster has or can load."""
HELMS = ("helm3", "helm4")
VALUES = tuple(sorted(path.name for path in (REPOSITORY / "charts" / "ha-postgres-15" / "ci").iterdir()))
OFTEN = ("15", "single-values.yaml", "helm4")
CASES = [
    pytest.param(major, values, helm, marks=[] if (major, values, helm) == OFTEN else [pytest.mark.thorough], id=f"{major}-{values}-{helm}")
    for major in MAJORS
    for values in VALUES
    for helm in HELMS
]
WITHOUT = ("--validate-maintainers=false", "--validate-chart-schema=false", "--validate-yaml=false")
LIMIT_SECONDS = 600


def git(repository: Path, *words: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=repository, check=True, capture_output=True)


def history(repository: Path, major: str, values: str) -> None:
    """Make a repository whose target branch has the present chart, and whose HEAD has it with the next version."""
    chart = repository / "charts" / f"ha-postgres-{major}"
    shutil.copytree(REPOSITORY / "charts" / chart.name, chart)
    for other in VALUES:
        if other != values:
            (chart / "ci" / other).unlink()
    git(repository, "init", "--quiet", "--initial-branch=work")
    description = chart / "Chart.yaml"
    for version in (f"{major}.0", f"{major}.1") if "." in major else (f"{major}.0.0", f"{major}.0.1"):
        description.write_text(re.sub(r"(?m)^version: .*$", f"version: {version}", description.read_text()))
        git(repository, "add", "charts")
        git(repository, "commit", "--quiet", "--message", version)
    git(repository, "update-ref", "refs/remotes/origin/main", "HEAD~1")


def ct(repository: Path, helm: str, *words: str) -> str:
    """Run ct with one Helm as `helm`; return what it prints."""
    path = repository / "bin"
    path.mkdir(exist_ok=True)
    (path / "helm").unlink(missing_ok=True)
    (path / "helm").symlink_to(BIN / helm)
    environment = {**chosen.environment(), "PATH": f"{path}:{BIN}:{os.environ['PATH']}"}
    command = [str(BIN / "ct"), *words, "--remote=origin", "--target-branch=main"]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(("major", "values", "helm"), CASES)
def test_ct_lints_installs_and_upgrades(cluster: Cluster, tmp_path: Path, major: str, values: str, helm: str) -> None:
    history(tmp_path, major, values)
    chosen.load_majors([major] if major != "15" else [])
    chart = f"charts/ha-postgres-{major}"
    assert f"/ci/{values}" in ct(tmp_path, helm, "lint", "--charts", chart, *WITHOUT)
    with programs.namespace("e2e-ct") as namespace:
        settings = [f"--helm-extra-set-args={' '.join(chosen.image_options())}"] if chosen.image_options() else []
        where = (f"--namespace={namespace.name}", "--release-label=app.kubernetes.io/instance")
        said = ct(tmp_path, helm, "install", "--upgrade", "--charts", chart, *where, *settings, "--helm-extra-args=--timeout 300s")
    assert "Testing upgrades of chart" in said
    assert "has been upgraded" in said
    assert "skipping" not in said.lower()
