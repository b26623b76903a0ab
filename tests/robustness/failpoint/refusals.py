"""The API server, or a server of the release, refuses requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.fixtures import NodeFaults
from tests.robustness.failpoint import processes
from tests.robustness.release import Pod, Release

ROLES = ("ha_postgres_replication", "postgres")


@contextmanager
def right_revoked(release: Release) -> Iterator[None]:
    """The agents may not patch pods."""
    role = release.namespace.get("role", release.name)
    less = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if not (verb == "patch" and "pods" in rule["resources"])]}
        for rule in role["rules"]
    ]
    _give(release, [rule for rule in less if rule["verbs"]])
    try:
        yield
    finally:
        _give(release, role["rules"])


def _give(release: Release, rules: object) -> None:
    release.namespace.kubectl("patch", "role", release.name, "--type=merge", "--patch", json.dumps({"rules": rules}))


@contextmanager
def webhook_fails(release: Release) -> Iterator[None]:
    """Every change to the namespace's pods needs the approval of a webhook that doesn't answer."""
    name = f"refuses-{release.namespace.name}"
    webhook = {
        "name": "refuses.tests.local",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 1,
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": release.namespace.name}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods"]}],
    }
    kind = "validatingwebhookconfiguration"
    release.namespace.apply(
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": name}}
        | {"webhooks": [webhook]}
    )
    try:
        yield
    finally:
        release.namespace.kubectl("delete", kind, name)


@contextmanager
def address_blocked(release: Release, replica: Pod, primary: Pod, faults: NodeFaults) -> Iterator[None]:
    """A replica can't reach the primary."""
    faults.cut(release.namespace.name, replica.name, f"pod/{primary.name}")
    yield
    faults.restore(release.namespace.name, replica.name)


@contextmanager
def password_wrong(release: Release, replica: Pod, primary: Pod, faults: NodeFaults) -> Iterator[None]:
    """The primary's passwords differ from the Secrets, and the replica's server restarts."""
    stored = {role: release.client.sql(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'")[0][0] for role in ROLES}
    try:
        for role in ROLES:
            release.run_inside(primary, f"ALTER ROLE {role} PASSWORD 'another'")
        processes.kill_postmaster(release, replica)
        yield
    finally:
        for role, verifier in stored.items():
            release.run_inside(primary, f"ALTER ROLE {role} PASSWORD '{verifier}'")
