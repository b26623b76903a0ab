"""No version of a chart breaks an existing release: every shipped chart against the last released
package of its line.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from hapg.chart import manifests
from hapg.cli import main
from hapg.spec.version_profiles import PROFILES
from hapg.upgrade import impact, sources
from hapg.upgrade.impact import Effect
from hapg_failover import settings
from tests.archives import extract
from tests.chart import helm
from tests.cluster.paths import BIN

RELEASED = Path(__file__).parent / "released"

RELEASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "single": {"replicas": 1, "storage": None, "podDisruptionBudget": {"enabled": False}},
    "much": {
        "fullnameOverride": "orders",
        "replicas": 4,
        "standbyMode": "hot",
        "storage": {"storageClassName": "fast", "accessModes": ["ReadWriteOncePod"], "resources": {"requests": {"storage": "200Gi"}}},
        "postgresql": {"parameters": {"work_mem": "16MB", "max_wal_size": "4GB"}},
        "databaseSecret": {"secretName": "own"},
        "global": {"imageRegistry": "registry.example.com"},
        "serviceAccount": {"create": False, "name": "own"},
        "securityContext": {"uid": 70},
        "labelDomain": "example.org",
        "podLabels": {"team": "orders"},
        "service": {"port": 6432, "type": "NodePort"},
        "affinity": {"nodeAffinity": {}},
        "terminationGracePeriodSeconds": 300,
    },
}
"""Values of existing releases. A line goes on taking them."""


def version(package: Path) -> str:
    return package.stem.rpartition("-")[2]


def line(package: Path) -> str:
    """The major of a package's line: "15" of 15.0.0, "9.6" of 9.6.0."""
    return next(name for name in PROFILES if version(package).startswith(f"{name}."))


PACKAGES = {line(package): package for package in sorted(RELEASED.glob("*.tgz"))}


@pytest.fixture(scope="module", params=PACKAGES)
def major(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=RELEASES)
def values(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("release") / "values.yaml"
    path.write_text(yaml.safe_dump(RELEASES[request.param]))
    return path


@pytest.fixture(scope="module")
def released(major: str, values: Path) -> list[manifests.Manifest]:
    return sources.read(PACKAGES[major], rendering(values))


def rendering(values: Path) -> sources.Rendering:
    return sources.Rendering(str(BIN / "helm3"), "ha-postgres", "demo", ["--values", str(values)])


def test_an_upgrade_is_possible_and_safe(major: str, values: Path, released: list[manifests.Manifest]) -> None:
    found = impact.compare(released, sources.read(helm.ROOT / "charts" / f"ha-postgres-{major}", rendering(values)))
    assert [f"{each.name}: {finding.change}" for each in found for finding in each.findings if finding.effect >= Effect.IMMUTABLE] == []


def test_the_agent_of_today_reads_the_settings_of_the_released_chart(major: str, released: list[manifests.Manifest]) -> None:
    """In a rollback the ConfigMap is the old one at once, while pods with the new agent still run (docs/protocol.md, rule 15)."""
    [document] = [each["data"]["failover.json"] for each in released if "failover.json" in each.get("data", {})]
    assert settings.read(document)[0].profile.major == major


def test_a_chart_is_not_older_than_its_last_release(major: str) -> None:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(".")]

    assert numbers(PROFILES[major].chart_version) >= numbers(version(PACKAGES[major]))


def test_one_package_of_each_line() -> None:
    assert sorted(line(package) for package in RELEASED.glob("*.tgz")) == sorted(PROFILES)


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_packages_are_small(package: Path) -> None:
    assert package.stat().st_size < 128 * 1024
    with tarfile.open(package) as archive:
        assert all(member.name.startswith("ha-postgres/") for member in archive.getmembers())


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_the_guard_sees_what_would_break_a_release(version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = PACKAGES["15"]
    with tarfile.open(package) as archive:
        extract(archive, tmp_path)
    template = tmp_path / "ha-postgres" / "templates" / "statefulset.yaml"
    template.write_text(template.read_text().replace("podManagementPolicy: Parallel", "podManagementPolicy: OrderedReady"))
    command = ["diff", str(package), str(tmp_path / "ha-postgres"), "--helm", str(BIN / version), "--namespace", "demo"]
    assert main(command) == 15
    assert capsys.readouterr().out == (
        "StatefulSet/ha-postgres in demo: immutable\n"
        '  spec.podManagementPolicy: "Parallel" -> "OrderedReady" (immutable: Kubernetes refuses to change this field of a StatefulSet)\n'
        "worst: immutable\n"
    )


def test_a_wal_volume_for_a_release_that_is_there_is_immutable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "values.yaml").write_text("walVolume:\n  enabled: true\n")
    (tmp_path / "old.yaml").write_text(helm.text())
    command = ["diff", str(tmp_path / "old.yaml"), str(helm.CHART), "--helm", str(BIN / "helm3"), "--namespace", "demo"]
    assert main([*command, "-f", str(tmp_path / "values.yaml")]) == 15
    said = capsys.readouterr().out
    assert "spec.volumeClaimTemplates" in said
    assert "(immutable: Kubernetes refuses to change the claims of a StatefulSet)" in said
    assert said.endswith("worst: immutable\n")


def test_values_are_those_of_the_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hot.yaml").write_text("standbyMode: hot\n")
    (tmp_path / "old.yaml").write_text(helm.text())
    new = ["--helm", str(BIN / "helm3"), "--namespace", "demo", "-f", str(tmp_path / "hot.yaml")]
    assert main(["diff", str(tmp_path / "old.yaml"), str(helm.CHART), *new]) == 12
    assert 'data.failover.json.standbyMode: "warm" -> "hot"' in capsys.readouterr().out


def test_values_of_the_command_line_and_the_version_of_kubernetes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.yaml").write_text(helm.text())
    command = ["diff", str(tmp_path / "old.yaml"), str(helm.CHART), "--helm", str(BIN / "helm3"), "-n", "demo"]
    assert main([*command, "--set", "standbyMode=hot", "--set", "replicas=5", "--kube-version", helm.KUBERNETES]) == 12
    said = capsys.readouterr().out
    assert 'data.failover.json.standbyMode: "warm" -> "hot"' in said
    assert "spec.replicas: 3 -> 5" in said
    assert main([*command, "--kube-version", "1.20.0"]) == 1
    assert "incompatible with Kubernetes v1.20.0" in capsys.readouterr().err


BALANCED = "service.type=LoadBalancer"
RANGES = f"{BALANCED},service.loadBalancerSourceRanges="
POLICY = "networkPolicy.enabled=true"
CLIENTS = f"{POLICY},networkPolicy.clients[0].podSelector.matchLabels.a=b"
LOGINS = "postgresql.pgHba[0]"
VERDICTS = {
    "synchronous": ("", "replication.mode=synchronous", 12),
    "no longer synchronous": ("replication.mode=synchronous", "", 11),
    "quorum in use": ("replication.mode=synchronous", "replication.mode=synchronous,replication.minSyncReplicas=2", 0),
    "policy in use": ("replication.mode=synchronous", "replication.mode=synchronous,replication.synchronousPolicy=preferred", 11),
    "policy without use": ("", "replication.synchronousPolicy=preferred", 0),
    "image of another major": ("", "image.tag=16.1", 16),
    "image of the same major": ("image.tag=15.4", "image.tag=15.5", 13),
    "class of the load balancer": (BALANCED, f"{BALANCED},service.loadBalancerClass=x", 15),
    "narrower type": (BALANCED, "service.type=ClusterIP", 14),
    "wider type": ("", BALANCED, 0),
    "narrower ranges": (BALANCED, RANGES + "{10.0.0.0/8}", 14),
    "wider ranges": (RANGES + "{10.1.0.0/16}", RANGES + "{10.0.0.0/8}", 0),
    "no ranges": (RANGES + "{10.1.0.0/16}", BALANCED, 0),
    "own Secret": ("", "databaseSecret.secretName=own", 14),
    "TLS off at once": ("tls.mode=require,tls.secretName=t", "", 16),
    "TLS off after allow": ("tls.mode=allow,tls.secretName=t", "", 14),
    "TLS required after allow": ("tls.mode=allow,tls.secretName=t", "tls.mode=require,tls.secretName=t", 14),
    "TLS no longer required": ("tls.mode=require,tls.secretName=t", "tls.mode=allow,tls.secretName=t", 13),
    "own entries for logins": ("", f"{LOGINS}=host a b 10.0.0.0/8 scram-sha-256", 11),
    "a login that is refused": ("", f"{LOGINS}=host a b 10.0.0.0/8 reject", 14),
    "another port": ("", "service.port=5433", 14),
    "pause": ("", "pause=true", 14),
    "arguments of initdb": ("", "initdb.args={--data-checksums}", 13),
    "no monitoring": ("monitor.agent=prometheus.io/builtin", "", 0),
    "wider policy": (CLIENTS, POLICY, 0),
    "narrower policy": (POLICY, CLIENTS, 14),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict_on_changed_values(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    *sides, code = VERDICTS[name]
    for side, values in zip(("old", "new"), sides, strict=True):
        (tmp_path / side).write_text(helm.text(*(("--set", values) if values else ())))
    assert main(["diff", str(tmp_path / "old"), str(tmp_path / "new")]) == code, capsys.readouterr().out


def test_what_helm_refuses_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text("replicas: 0\n")
    command = ["diff", str(helm.CHART), str(helm.CHART), "--helm", str(BIN / "helm3"), "-f", str(tmp_path / "bad.yaml")]
    assert main(command) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "minimum: got 0, want 1" in captured.err
