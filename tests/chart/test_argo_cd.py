"""The examples for Argo CD in values-examples/argocd/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from .helm import CHARTS, EXAMPLES

_KIND = re.compile(r"^apiVersion: (?:([\w.-]+)/)?\w+\nkind: (\w+)$", re.MULTILINE)


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / "argocd" / f"{name}.yaml").read_text())
    return found


def test_the_project_allows_exactly_the_kinds_that_the_charts_render() -> None:
    texts = [path.read_text() for chart in CHARTS for path in (chart / "templates").rglob("*") if path.is_file()]
    rendered = {match.groups(default="") for text in texts for match in _KIND.finditer(text)}
    assert sum(len(re.findall(r"^kind:", text, re.MULTILINE)) for text in texts) == sum(len(_KIND.findall(text)) for text in texts)
    allowed = example("project")["spec"]["namespaceResourceWhitelist"]
    assert {(each["group"], each["kind"]) for each in allowed} == rendered
    assert len(allowed) == len(rendered)


def test_the_application_is_one_of_the_project() -> None:
    application, project = example("application"), example("project")
    spec, allowed = application["spec"], project["spec"]
    assert (spec["project"], application["metadata"]["namespace"]) == (project["metadata"]["name"], project["metadata"]["namespace"])
    assert spec["source"]["repoURL"] in allowed["sourceRepos"]
    assert spec["destination"] in allowed["destinations"]
    values = yaml.safe_load((EXAMPLES / "argo-cd.yaml").read_text())
    assert values["fullnameOverride"] == Path(spec["source"]["path"]).name == application["metadata"]["name"]
    assert "ignoreDifferences" not in spec
