"""What an umbrella sets for all of its charts: `global.imagePullSecrets` and `global.storageClass`."""

from __future__ import annotations

import pytest

from tests.chart import helm, test_everything
from tests.chart.test_platform_uid import IMPORT, pods

OPTIONS = pytest.mark.parametrize("options", [test_everything.SET, IMPORT], ids=["everything", "import"])


def claims(document: object) -> list[helm.Object]:
    """Return the specs of all claims in a rendered object that ask for storage."""
    if isinstance(document, list):
        return [found for child in document for found in claims(child)]
    if not isinstance(document, dict):
        return []
    if "accessModes" in document:
        return [document]
    return [found for child in document.values() for found in claims(child)]


@OPTIONS
@pytest.mark.parametrize("version", helm.VERSIONS)
def test_pull_secrets_are_names_or_objects_the_global_ones_first_and_each_once(options: tuple[str, ...], version: str) -> None:
    values = helm.values({"global": {"imagePullSecrets": [{"name": "a"}, "b"]}, "imagePullSecrets": ["a", {"name": "c"}]})
    found = [each for document in helm.objects(*options, *values, version=version).values() for each in pods(document)]
    assert len(found) >= 3
    for spec in found:
        assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}, {"name": "c"}]


def test_without_pull_secrets_no_pod_names_one() -> None:
    assert "imagePullSecrets" not in helm.text()


@pytest.mark.parametrize("wrong", [[1], [""], [{}], [{"name": "a", "key": "b"}]])
def test_another_form_of_a_pull_secret_is_refused(wrong: list[object]) -> None:
    assert "imagePullSecrets" in helm.refusal(*helm.values({"imagePullSecrets": wrong}))


def test_the_global_storage_class_is_that_of_every_claim_without_its_own() -> None:
    verify = {"verify": {"schedule": "0 4 * * 0"}}
    archiver = {"type": "s3", "bucket": "b", "region": "r", "secretName": "s"}
    scratch = {"from": {"host": "h", "secretName": "s"}, "databases": ["app"], "scratch": {"size": "1Gi"}}
    values = {"walVolume": {"enabled": True}, "archiver": archiver, "backup": verify, "import": scratch}
    given = helm.values({**values, "global": {"storageClass": "fast"}})
    found = [claim for document in helm.objects(*given).values() for claim in claims(document)]
    assert len(found) == 4
    assert {claim["storageClassName"] for claim in found} == {"fast"}
    own = helm.values({"storage": {"storageClassName": "slow"}, "walVolume": {"enabled": True, "storageClassName": ""}})
    (stateful_set,) = [each for (kind, _), each in helm.objects(*given, *own).items() if kind == "StatefulSet"]
    assert [claim["storageClassName"] for claim in claims(stateful_set)] == ["slow", ""]


def test_a_hyphen_is_no_storage_class_as_in_charts_of_others() -> None:
    (stateful_set,) = [each for (kind, _), each in helm.objects("--set", "global.storageClass=-").items() if kind == "StatefulSet"]
    assert [claim["storageClassName"] for claim in claims(stateful_set)] == [""]


@OPTIONS
def test_every_image_is_set_by_digest(options: tuple[str, ...]) -> None:
    digest = f"sha256:{'0' * 64}"
    images = {name: {"digest": digest} for name in ("image", "failoverImage", "backupImage")}
    former = {"majorUpgrade": {"image": f"postgres@{digest}"}}
    own: helm.Object = {"extraContainers": [], "initContainers": []}
    rendered = helm.objects(*options, *helm.values({**images, **former, **own}))
    found = [each for document in rendered.values() for spec in pods(document) for each in helm.containers(spec).values()]
    assert len(found) >= 3
    assert {each["image"].partition("@")[2] for each in found} == {digest}
    tags = {each["image"].partition("@")[0].partition(":")[2] for each in found if each["name"] != "former-major"}
    assert "" not in tags
