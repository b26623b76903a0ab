"""The part of the cluster that belongs to this release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hapg_protocol import lease as lease_codec


@dataclass(frozen=True)
class Scope:
    """The part of the cluster that belongs to this release.

    name: of the Lease and the StatefulSet; selector: the labels of the pods; role_label: the key of the role label; pod, uid: this pod,
    which Events refer to; major: PostgreSQL's, which the Lease tells those who find it when nothing else is left.
    """

    namespace: str
    name: str
    selector: Mapping[str, str] = field(default_factory=dict)
    role_label: str = "kubedb.com/role"
    pod: str = ""
    uid: str = ""
    major: str = ""

    @property
    def lease_labels(self) -> Mapping[str, str]:
        """The labels of the Lease."""
        return {**self.selector, lease_codec.MAJOR: self.major}

    @property
    def leases(self) -> str:
        """The path of the namespace's Leases."""
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    @property
    def configuration(self) -> str:
        """The name of the ConfigMap with the release's settings."""
        return f"{self.name}-config"

    def core(self, kind: str) -> str:
        """Return the path of a resource of the core API group."""
        return f"/api/v1/namespaces/{self.namespace}/{kind}"

    @property
    def label_selector(self) -> str:
        """The label selector of the pods, as a query parameter."""
        return ",".join(f"{key}={value}" for key, value in sorted(self.selector.items()))
