"""`securityContext.uid: null`: the platform chooses user, group and fsGroup, as OpenShift does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart import helm, test_everything, umbrella

IDENTITY = ("runAsUser", "runAsGroup", "fsGroup")
IMPORT = helm.values({"import": {"from": {"host": "source", "secretName": "source"}, "databases": ["app"]}})
FORMS = ("null", "platform")


def pods(document: object) -> Iterator[helm.Object]:
    """Yield the specs of all pods in a rendered object, at any depth."""
    if isinstance(document, dict):
        if "containers" in document:
            yield document
        for child in document.values():
            yield from pods(child)
    elif isinstance(document, list):
        for child in document:
            yield from pods(child)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("version", helm.VERSIONS)
@pytest.mark.parametrize(("options", "count"), [(test_everything.SET, 8), (IMPORT, 3)], ids=["everything", "import"])
def test_user_and_groups_of_every_pod_are_left_to_the_platform(options: tuple[str, ...], count: int, version: str, form: str) -> None:
    rendered = helm.objects(*options, "--set", f"securityContext.uid={form}", version=version)
    found = [each for document in rendered.values() for each in pods(document)]
    assert len(found) == count
    for spec in found:
        assert not set(IDENTITY) & spec["securityContext"].keys()
        assert spec["securityContext"]["runAsNonRoot"] is True
        for container in helm.containers(spec).values():
            assert not set(IDENTITY) & container.get("securityContext", {}).keys()


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_an_empty_section_keeps_the_number(version: str) -> None:
    options = helm.values({"securityContext": None})
    assert helm.text(*options, version=version) == helm.text(version=version)
    assert {helm.pod(*options, version=version)["spec"]["securityContext"][key] for key in IDENTITY} == {999}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("version", helm.VERSIONS)
def test_who_installs_an_umbrella_leaves_them_to_the_platform(version: str, form: str, tmp_path: Path) -> None:
    app = umbrella.build(tmp_path, {"db": "15"}, {})
    found = helm.pod("--set", f"db.securityContext.uid={form}", chart=app, release="shop", version=version)
    assert not set(IDENTITY) & found["spec"]["securityContext"].keys()


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_an_umbrella_leaves_them_to_the_platform_in_its_own_values(version: str, tmp_path: Path) -> None:
    """With null, which Helm 4 ignores here, they would be the default."""
    app = umbrella.build(tmp_path, {"db": "15"}, {"db": {"securityContext": {"uid": "platform"}}})
    found = helm.pod(chart=app, release="shop", version=version)
    assert not set(IDENTITY) & found["spec"]["securityContext"].keys()


def test_another_word_is_refused() -> None:
    assert "securityContext" in helm.refusal("--set", "securityContext.uid=openshift")
