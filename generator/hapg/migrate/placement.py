"""Where pods run: rules of the old pods, made rules for the release's. A term without a selector is for the release's own pods."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hapg.migrate import walk
from hapg.migrate.rules import Place, Rule, Said, change, none
from hapg.migrate.walk import Path

OLD_PODS = "it selects the old cluster's pods; without a selector it is for the release's"
_OWN = "for the release's own pods"
_OF_OPERATORS = ("cnpg.io/", "postgres-operator.crunchydata.com/", "kubedb.com/")
_CLUSTER = ("app.kubernetes.io/instance", "cluster-name", "cnpg.io/cluster", "postgres-operator.crunchydata.com/cluster")
_APPLICATIONS = {
    "app.kubernetes.io/name": ("postgreses.kubedb.com", "postgresql", "postgresql-ha"),
    "application": ("spilo",),
}
_LISTS = (("requiredDuringSchedulingIgnoredDuringExecution", ()), ("preferredDuringSchedulingIgnoredDuringExecution", ("podAffinityTerm",)))


def spread(prefix: str, to: Any = None) -> tuple[Rule, ...]:
    """Return the rules for topologySpreadConstraints below a prefix, "" or with its dot. to: a conversion for each of them."""
    path = f"{prefix}topologySpreadConstraints[]"
    return (none(f"{path}.labelSelector", OLD_PODS), change(path, "topologySpreadConstraints[]", to or constraint, _OWN))


def constraint(value: Any, _place: Place) -> dict[str, Any]:
    """Return a constraint for the release's pods."""
    return {key: each for key, each in value.items() if key != "labelSelector"}


def affinity(value: Any, place: Place) -> Said:
    """Return an affinity in which terms for the old cluster's pods are for the release's."""
    found = copy.deepcopy(value)
    left: dict[Path, str] = {}
    for kind in ("podAffinity", "podAntiAffinity"):
        left |= {(kind, *path): text for path, text in _adapt(found.get(kind) or {}, place).items()}
    return _said("affinity", found, left)


def pod_affinity(to: str) -> Any:
    """Return a conversion of a podAffinity or podAntiAffinity alone."""

    def convert(value: Any, place: Place) -> Said:
        found = copy.deepcopy(value)
        return _said(to, found, _adapt(found, place))

    return convert


def _said(to: str, found: Any, left: dict[Path, str]) -> Said:
    return Said({to: found}, _OWN if left else "", parts_left=left)


def _adapt(kind: dict[str, Any], place: Place) -> dict[Path, str]:
    """Take the selectors of the old cluster's pods out of the terms; return their paths, with why."""
    left: dict[Path, str] = {}
    name = str(walk.get(place.document, "metadata", "name") or "")
    for key, below in _LISTS:
        for index, item in enumerate(kind.get(key) or ()):
            term = walk.get(item, *below)
            if _selects_old_pods(term.get("labelSelector") or {}, name):
                left |= {
                    (key, index, *below, each): OLD_PODS for each in ("labelSelector", "namespaces") if term.pop(each, None) is not None
                }
    return left


def _selects_old_pods(selector: dict[str, Any], name: str) -> bool:
    """True for a selector of the old pods. name: of the object, "" if the input has none."""
    labels = list(_labels(selector))
    if any(key in _CLUSTER and name and name not in values for key, values in labels):
        return False
    return any(
        key.startswith(_OF_OPERATORS) or (key in _CLUSTER and name) or set(values) & set(_APPLICATIONS.get(key, ()))
        for key, values in labels
    )


def _labels(selector: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    yield from ((key, [value]) for key, value in (selector.get("matchLabels") or {}).items())
    for each in selector.get("matchExpressions") or ():
        if each.get("operator") == "In":
            yield each["key"], each.get("values") or []
