"""What the Roles of releases allow, against what their pods asked for, from the events of an audit log. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
MADE_BY_A_CHART = "helm.sh/chart"
COMPONENT = "app.kubernetes.io/component"
OF_RELEASES = ("database", "wipe")


@dataclass(frozen=True, order=True)
class Right:
    """One verb for one kind of object. name: of the object, with the release's as NAME and ordinals as N; '' for any."""

    group: str
    resource: str
    verb: str
    name: str = ""

    def __str__(self) -> str:
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {kind} {self.name}".rstrip()


def general(name: str, release: str) -> str:
    """Return an object's name as it is for any release: of pod 'orders-2' of 'orders' NAME-N."""
    return re.sub(r"-[0-9]+$", "-N", re.sub(rf"(?:^|(?<=-)){re.escape(release)}(?=-|$)", "NAME", name, count=1))


@dataclass
class Role:
    """A Role of a release, and whether its binding exists. release: the name NAME of its objects; kind: its own name in general."""

    release: str
    kind: str
    granted: set[Right]
    bound: bool = False


@dataclass
class Audit:
    """What has been seen. Kinds of Roles are their names in general: NAME of the agents, NAME-wipe of the Job."""

    granted: dict[str, set[Right]] = field(default_factory=dict)
    used: dict[str, set[Right]] = field(default_factory=dict)
    missing: dict[str, set[Right]] = field(default_factory=dict)
    _roles: dict[tuple[str, str], Role] = field(default_factory=dict)
    _accounts: dict[str, tuple[str, str]] = field(default_factory=dict)

    def unused(self) -> dict[str, list[Right]]:
        """Return what was granted and never asked for, by kind of Role."""
        found = {kind: sorted(rights - self.used.get(kind, set())) for kind, rights in self.granted.items()}
        return {kind: rights for kind, rights in found.items() if rights}

    def take(self, event: Object) -> None:
        """Take an event; they come in the order of their times."""
        reference = event.get("objectRef", {})
        if reference.get("apiGroup") == "rbac.authorization.k8s.io" and event["verb"] != "get":
            self._changed(event, reference)
        elif event["user"]["username"] in self._accounts:
            self._asked(event, reference)

    def _changed(self, event: Object, reference: Object) -> None:
        if event.get("responseStatus", {}).get("code", 0) >= 300 or event["stage"] != "ResponseComplete":
            return
        namespace, name = reference["namespace"], reference.get("name", "")
        if event["verb"] in ("delete", "deletecollection"):
            gone = [key for key in self._roles if key[0] == namespace and name in ("", key[1])]
            for key in gone:
                self._roles[key].bound = False
        elif reference["resource"] == "roles":
            self._granted(namespace, event["responseObject"])
        else:
            self._bound(namespace, event["responseObject"])

    def _granted(self, namespace: str, made: Object) -> None:
        labels = made["metadata"].get("labels", {})
        if labels.get(COMPONENT) not in OF_RELEASES or MADE_BY_A_CHART not in labels:
            return
        name = made["metadata"]["name"]
        wipe = labels[COMPONENT] == "wipe"
        release = name.removesuffix("-wipe") if wipe else name
        kind = "NAME-wipe" if wipe else "NAME"
        bound = self._roles[namespace, name].bound if (namespace, name) in self._roles else False
        role = Role(release, kind, rights(made, release), bound)
        self._roles[namespace, name] = role
        self.granted.setdefault(kind, set()).update(role.granted)

    def _bound(self, namespace: str, made: Object) -> None:
        key = namespace, made["roleRef"]["name"]
        if key in self._roles:
            self._roles[key].bound = True
            for subject in made.get("subjects", []):
                self._accounts[f"system:serviceaccount:{subject['namespace']}:{subject['name']}"] = key

    def _asked(self, event: Object, reference: Object) -> None:
        role = self._roles[self._accounts[event["user"]["username"]]]
        if not reference or not role.bound:
            return  # an uninstallation takes the Role while the pods still end
        right = asked(event["verb"], reference, role, event.get("requestURI", ""))
        if event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid":
            self.missing.setdefault(role.kind, set()).add(right)
        else:
            self.used.setdefault(role.kind, set()).add(right)


def rights(role: Object, release: str) -> set[Right]:
    """Return what a Role allows, in general."""
    return {
        Right(group, resource, verb, general(name, release))
        for rule in role.get("rules") or []
        for group in rule.get("apiGroups", [])
        for resource in rule.get("resources", [])
        for verb in rule["verbs"]
        for name in rule.get("resourceNames") or [""]
    }


def asked(verb: str, reference: Object, role: Role, uri: str) -> Right:
    """Return the right that a request needed; of those that the Role has, if it has one for it, that with the object's name first."""
    resource = "/".join(part for part in (reference["resource"], reference.get("subresource")) if part)
    name = reference.get("name", "") or next(iter(re.findall(r"metadata\.name(?:%3D|=)([-.a-z0-9]+)", uri)), "")
    named = Right(reference.get("apiGroup", ""), resource, verb, general(name, role.release))
    anyone = Right(named.group, named.resource, verb)
    return anyone if anyone in role.granted and named not in role.granted else named


def audit(events: Iterable[Object]) -> Audit:
    """Return what the events of a log say."""
    found = Audit()
    for event in events:
        found.take(event)
    return found
