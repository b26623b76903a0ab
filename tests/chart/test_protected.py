"""The value `doNotPause`: an uninstallation is refused."""

from __future__ import annotations

import pytest
import yaml

from tests.chart import helm

PROTECTED = ("--set", "doNotPause=true")
BOTH = pytest.mark.parametrize("version", helm.VERSIONS)
CONFIRM = "Delete=confirm,Prune=confirm"
POLICY = helm.ROOT / "docs" / "deletion-policy.yaml"


def guard(*options: str, **how: str) -> helm.Object:
    """The object that no client sends to Kubernetes."""
    [found] = [each for each in helm.objects(*PROTECTED, *options, **how).values() if hook(each) == "pre-delete"]
    return found


def hook(found: helm.Object) -> str:
    return str((found["metadata"].get("annotations") or {}).get("helm.sh/hook", ""))


@BOTH
def test_a_protected_release_has_a_hook_that_cannot_succeed(version: str) -> None:
    """Helm asks for its deletion before it creates it; client-go refuses a name with a slash in each of the two."""
    found = guard(version=version)
    assert (found["kind"], found["metadata"]["namespace"]) == ("ConfigMap", "demo")
    assert found["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation"
    assert "/" in found["metadata"]["name"]


@BOTH
def test_the_refusal_of_a_protected_release_says_how_to_allow_it(version: str) -> None:
    assert guard(version=version, release="orders")["metadata"]["name"] == (
        "doNotPause is true, so nothing is deleted. To allow it, first run: helm upgrade orders CHART --namespace demo --reuse-values "
        "--set doNotPause=false (Argo CD/Flux: in Git)"
    )


def test_a_release_is_protected_only_if_that_is_said() -> None:
    assert [hook(each) for each in helm.objects().values() if hook(each)] == ["test"]
    assert helm.objects().keys() == {name for name in helm.objects(*PROTECTED) if "/" not in name[1]}


def test_a_protected_release_restarts_nothing() -> None:
    assert helm.pod(*PROTECTED) == helm.pod()


def test_argo_cd_asks_before_it_deletes_or_prunes_a_protected_release() -> None:
    key = "argocd.argoproj.io/sync-options"
    assert helm.objects(*PROTECTED)["StatefulSet", "ha-postgres"]["metadata"]["annotations"][key] == CONFIRM
    own = ("--set", r"commonAnnotations.argocd\.argoproj\.io/sync-options=ServerSideApply=true")
    found = helm.objects(*PROTECTED, *own)
    assert found["StatefulSet", "ha-postgres"]["metadata"]["annotations"][key] == f"ServerSideApply=true,{CONFIRM}"
    assert found["Role", "ha-postgres"]["metadata"]["annotations"][key] == "ServerSideApply=true"
    assert "annotations" not in helm.objects()["StatefulSet", "ha-postgres"]["metadata"]


def test_the_admission_policy_protects_all_that_belongs_to_a_release() -> None:
    """All objects with the database's labels, but the PodDisruptionBudget, which an upgrade may remove, and the pods."""
    policy, binding = yaml.safe_load_all(POLICY.read_text(encoding="utf-8"))
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    constraints = policy["spec"]["matchConstraints"]
    labels = constraints["objectSelector"]["matchLabels"].items()
    covered = {resource for rule in constraints["resourceRules"] for resource in rule["resources"]}
    kinds = {kind for (kind, _), each in helm.objects().items() if labels <= each["metadata"]["labels"].items()}
    assert {f"{kind.lower()}s" for kind in kinds - {"PodDisruptionBudget"}} | {"persistentvolumeclaims", "secrets", "leases"} == covered
    assert labels <= helm.pod()["metadata"]["labels"].items(), "claims have the labels that select the pods"


@BOTH
def test_lint_of_a_protected_release_warns_of_nothing(version: str) -> None:
    done = helm.run(version, "lint", "--strict", str(helm.CHART), *PROTECTED)
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@BOTH
def test_a_release_stays_protected_when_it_is_upgraded(version: str) -> None:
    assert guard("--is-upgrade", version=version)
