"""majorUpgrade: the former major's programs beside the server, and what is refused."""

from __future__ import annotations

import json

import pytest

from tests.chart import helm

ALLOWED = ("--set", "majorUpgrade.allowed=true", "--set", "majorUpgrade.from=14")


def test_without_an_upgrade_nothing_of_another_major_is_rendered() -> None:
    assert "former" not in helm.text("--set", "majorUpgrade.from=14")
    assert "upgradesFrom" not in helm.text()


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_an_upgrade_has_the_former_image_copy_its_programs_to_where_the_server_reads_them(version: str) -> None:
    found = helm.objects(*ALLOWED, "--set", "image.registry=registry.example.com,image.digest=sha256:" + "0" * 64, version=version)
    spec = found["StatefulSet", "ha-postgres"]["spec"]["template"]["spec"]
    names = [container["name"] for container in spec["initContainers"]]
    assert names[:3] == ["prepare", "former-major", "failover"]  # prepare brings the script
    former = spec["initContainers"][1]
    assert former["image"] == "registry.example.com/postgres:14"
    script, programs, target = former["command"][1:]
    assert (script, programs) == ("/etc/hapg/supervisor/former_programs.sh", "/usr/lib/postgresql/14/bin")
    [written] = [mount for mount in former["volumeMounts"] if mount["mountPath"] == target]
    assert written == {"name": "former-major", "mountPath": "/opt/hapg-former"}
    [read] = [mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "former-major"]
    assert read == written | {"readOnly": True}
    assert {"name": "former-major", "emptyDir": {}} in spec["volumes"]
    settings = json.loads(found["ConfigMap", "ha-postgres-config"]["data"]["failover.json"])
    assert settings["upgradesFrom"] == "14"


@pytest.mark.parametrize(
    ("options", "hours"),
    [
        ((), None),
        (("archiver.type=posix,archiver.claimName=archive",), 24),
        (("archiver.type=posix,archiver.claimName=archive", "majorUpgrade.verifiedWithinHours=6"), 6),
        (("archiver.type=posix,archiver.claimName=archive", "majorUpgrade.withoutVerifiedBackup=true"), None),
    ],
)
def test_an_upgrade_beside_an_archiver_needs_a_verified_backup_unless_the_values_go_without(
    options: tuple[str, ...], hours: int | None
) -> None:
    found = helm.objects(*ALLOWED, *(word for option in options for word in ("--set", option)))
    settings = json.loads(found["ConfigMap", "ha-postgres-config"]["data"]["failover.json"])
    assert settings.get("upgradeVerifiedHours") == hours


def test_an_upgrade_may_use_another_image_of_the_former_major() -> None:
    text = helm.text(*ALLOWED, "--set", "majorUpgrade.image=registry.example.com/postgis:14-3.4")
    assert 'image: "registry.example.com/postgis:14-3.4"' in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--set", "majorUpgrade.allowed=true"), "majorUpgrade.from: missing; the major of the data, for example 15"),
        (("--set", "majorUpgrade.allowed=true,majorUpgrade.from=15"), "majorUpgrade.from: 15 is not older than this chart's PostgreSQL 15"),
        (("--set", "majorUpgrade.allowed=true,majorUpgrade.from=17"), "majorUpgrade.from: 17 is not older than this chart's PostgreSQL 15"),
    ],
)
def test_an_upgrade_from_nothing_and_from_no_older_major_is_refused(options: tuple[str, ...], said: str) -> None:
    assert said in helm.refusal(*options)
