"""An in-memory namespace of a Kubernetes API, as `hapg resize` uses it.

The contract test (tests/contract/test_namespace_contract.py) compares it with a real API server. What runs in a cluster besides (garbage
collector, StatefulSet controller, storage) is not here, but for the removal of an object that was deleted with its dependents left, and of
claims that no pod mounts any more: `work`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from hapg.operate.kubectl import KubectlError
from hapg.spec import quantity

Json = dict[str, Any]

KINDS = {"StatefulSet": "statefulset", "ConfigMap": "configmap", "Pod": "pod", "PersistentVolumeClaim": "persistentvolumeclaim"}
RESOURCES = {"statefulsets": "statefulset", "pods": "pod", "persistentvolumeclaims": "persistentvolumeclaim"}


@dataclass
class FakeNamespace:
    """The objects by kind and name. growing: the StorageClasses that allow volumes to grow; forbidden: verbs and resources that the user
    may not use, as given to `may`.
    """

    namespace: str = "demo"
    objects: dict[tuple[str, str], Json] = field(default_factory=dict)
    growing: set[str] = field(default_factory=set)
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    _numbers: int = 100

    # --- reading ---

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        found = self.find_with_managers(kind, name)
        if found is not None:
            found["metadata"].pop("managedFields", None)
        return found

    def find_with_managers(self, kind: str, name: str) -> Json | None:
        found = self.objects.get((kind, name))
        return None if found is None else deepcopy(found)

    def all(self, kind: str) -> list[Mapping[str, Any]]:
        return [deepcopy(found) for (its_kind, _), found in sorted(self.objects.items()) if its_kind == kind]

    def select(self, kind: str, labels: Mapping[str, str]) -> list[Mapping[str, Any]]:
        found = self.all(kind.removesuffix("s"))
        return [each for each in found if labels.items() <= (each["metadata"].get("labels") or {}).items()]

    def may(self, verb: str, resource: str) -> bool:
        return (verb, resource) not in self.forbidden

    # --- writing ---

    def create(self, wanted: Mapping[str, Any], manager: str) -> None:
        key = KINDS[wanted["kind"]], wanted["metadata"]["name"]
        if key in self.objects:
            raise KubectlError(f'kubectl create: Error from server (AlreadyExists): {key[0]}s "{key[1]}" already exists')
        new = deepcopy(dict(wanted))
        new["metadata"] |= {"uid": f"uid-{self._next()}", "managedFields": [{"manager": manager, "operation": "Update"}]}
        self._store(key, new)

    def patch(self, kind: str, name: str, patch: Mapping[str, Any], *, dry_run: bool = False) -> None:
        old = self._existing(kind, name)
        self._check_version(kind, name, (patch.get("metadata") or {}).get("resourceVersion"))
        new = _merged(old, patch)
        if kind == "persistentvolumeclaim":
            self._check_claim(name, old, new)
        if not dry_run:
            self._store((kind, name), new)

    def annotate(self, pod: str, uid: str, annotations: Mapping[str, str | None]) -> None:
        self._check_uid("pod", pod, uid)
        self.patch("pod", pod, {"metadata": {"annotations": dict(annotations)}})

    def delete(self, kind: str, name: str) -> None:
        self.objects.pop((kind, name), None)

    def erase(self, path: str, uid: str, version: str | None = None, *, orphan: bool = False, dry_run: bool = False) -> None:
        *_, resource, name = path.split("/")
        kind = RESOURCES[resource]
        self._check_uid(kind, name, uid)
        self._check_version(kind, name, version)
        if dry_run:
            return
        found = self._existing(kind, name)
        found["metadata"] |= {"deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": ["orphan"] if orphan else []}
        self._store((kind, name), found)

    def last_line(self, pod: str) -> str:
        raise NotImplementedError

    def execute(self, pod: str, container: str, command: Sequence[str], tell: Callable[[str], None], limit: float | None) -> int:
        raise NotImplementedError

    # --- the rest of the cluster ---

    def work(self) -> None:
        """Remove what was deleted, and let go of its dependents, as the garbage collector and the protection of claims do."""
        pods = [found for (kind, _), found in self.objects.items() if kind == "pod"]
        mounted = {each["persistentVolumeClaim"]["claimName"] for pod in pods for each in pod.get("spec", {}).get("volumes", [])}
        for kind, name in list(self.objects):
            if kind == "persistentvolumeclaim" and "deletionTimestamp" in self.objects[kind, name]["metadata"] and name not in mounted:
                del self.objects[kind, name]
        for key, found in list(self.objects.items()):
            if "orphan" in (found["metadata"].get("finalizers") or []):
                for other in self.objects.values():
                    owners = other["metadata"].get("ownerReferences") or []
                    other["metadata"]["ownerReferences"] = [each for each in owners if each["uid"] != found["metadata"]["uid"]]
                del self.objects[key]

    def change(self, kind: str, name: str, patch: Mapping[str, Any]) -> None:
        """Change an object as a part of the cluster does, without any check."""
        self._store((kind, name), _merged(self._existing(kind, name), patch))

    # --- rules ---

    def _check_claim(self, name: str, old: Json, new: Json) -> None:
        if old["spec"] == new["spec"]:
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise KubectlError(f'kubectl patch: The PersistentVolumeClaim "{name}" is invalid: spec: Forbidden: spec is immutable')
        before, after = (quantity.value(each["spec"]["resources"]["requests"]["storage"]) for each in (old, new))
        if after < before and after < quantity.value(old["status"]["capacity"]["storage"]):
            raise KubectlError(f'kubectl patch: The PersistentVolumeClaim "{name}" is invalid: field can not be less than status.capacity')
        if old["spec"].get("storageClassName") not in self.growing:
            raise KubectlError(
                f'kubectl patch: Error from server (Forbidden): persistentvolumeclaims "{name}" is forbidden: only dynamically provisioned '
                "pvc can be resized and the storageclass that provisions the pvc must support resize"
            )

    def _check_uid(self, kind: str, name: str, uid: str) -> None:
        if self._existing(kind, name)["metadata"]["uid"] != uid:
            raise KubectlError(f"kubectl: Error from server (Conflict): Operation cannot be fulfilled: the UID in the precondition ({uid})")

    def _check_version(self, kind: str, name: str, version: str | None) -> None:
        if version is not None and self._existing(kind, name)["metadata"]["resourceVersion"] != version:
            raise KubectlError(f"kubectl: Error from server (Conflict): Operation cannot be fulfilled on {name}: it has been modified")

    def _existing(self, kind: str, name: str) -> Json:
        found = self.find_with_managers(kind, name)
        if found is None:
            raise KubectlError(f'kubectl: Error from server (NotFound): {kind}s "{name}" not found')
        return found

    def _store(self, key: tuple[str, str], new: Json) -> None:
        self.objects[key] = new
        new["metadata"]["resourceVersion"] = str(self._next())

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers


def _merged(old: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7386)."""
    if not isinstance(patch, Mapping):
        return deepcopy(patch)
    new = deepcopy(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = _merged(new.get(key), value)
    return new
