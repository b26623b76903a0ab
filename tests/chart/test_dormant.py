"""The value `pause`: a release that sleeps."""

from __future__ import annotations

import json

import pytest

from tests.chart import helm

PAUSED = ("--set", "pause=true")
BOTH = pytest.mark.parametrize("version", helm.VERSIONS)


@BOTH
def test_a_dormant_release_has_no_server_and_nothing_else_is_missing(version: str) -> None:
    awake, asleep = helm.objects(version=version), helm.objects(*PAUSED, version=version)
    assert asleep.keys() == awake.keys()
    assert asleep["StatefulSet", "ha-postgres"]["spec"]["replicas"] == 0
    assert {name for name in awake if asleep[name] != awake[name]} == {("StatefulSet", "ha-postgres"), ("ConfigMap", "ha-postgres-config")}


@BOTH
def test_a_dormant_release_keeps_its_settings_and_pods(version: str) -> None:
    """The agents read the number of servers that the release has when it goes on; nothing restarts twice."""
    awake, asleep = helm.objects(version=version), helm.objects(*PAUSED, version=version)
    assert asleep["ConfigMap", "ha-postgres-config"]["data"] == awake["ConfigMap", "ha-postgres-config"]["data"]
    assert json.loads(asleep["ConfigMap", "ha-postgres-config"]["data"]["failover.json"])["replicas"] == 3
    assert helm.pod(*PAUSED, version=version) == helm.pod(version=version)


@pytest.mark.parametrize("when_scaled", ["Retain", "Delete"])
def test_a_dormant_release_keeps_its_claims_whatever_scaling_does(when_scaled: str) -> None:
    options = ("--set", f"persistentVolumeClaimRetentionPolicy.whenScaled={when_scaled}")
    assert helm.objects(*options)["StatefulSet", "ha-postgres"]["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"] == when_scaled
    asleep = helm.objects(*options, *PAUSED)["StatefulSet", "ha-postgres"]["spec"]
    assert (asleep["replicas"], asleep["persistentVolumeClaimRetentionPolicy"]["whenScaled"]) == (0, "Retain")


def test_a_dormant_release_takes_no_backups() -> None:
    given = ("--set", "archiver.type=s3,archiver.bucket=backups,archiver.secretName=s3-secret", "--set", "backup.schedules.full=@daily")

    def suspended(*options: str) -> list[bool]:
        found = helm.objects(*given, *options)
        return [each["spec"].get("suspend", False) for (kind, _), each in found.items() if kind == "CronJob"]

    assert (suspended(), suspended(*PAUSED)) == ([False], [True])


def test_a_dormant_release_says_so_to_hapg_status() -> None:
    assert helm.objects(*PAUSED)["ConfigMap", "ha-postgres-config"]["metadata"]["annotations"] == {"ha-postgres/paused": "true"}
    assert "annotations" not in helm.objects()["ConfigMap", "ha-postgres-config"]["metadata"]


@BOTH
@pytest.mark.parametrize("value", ["pause", "doNotPause", "wipeOut"])
def test_a_wrong_value_of_pause_and_the_like_is_refused(value: str, version: str) -> None:
    assert f"- at '/{value}': got string, want boolean" in helm.refusal("--set-string", f"{value}=yes", version=version)
    assert f"- at '': additional properties '{value.lower()}s' not allowed" in helm.refusal(
        "--set", f"{value.lower()}s=true", version=version
    )
