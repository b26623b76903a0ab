"""Kubeconfigs with exactly the rights that docs/operations.md lists for operators."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.paths import REPOSITORY
from tests.robustness.release import Release

_PAGE = REPOSITORY / "docs" / "operations.md"
_ROLE = r"```yaml\n((?:(?!```).)*?kind: Role\n.*?)```"
_MORE = r"`hapg backup` and `hapg restore` need [^`]*`hapg status`[^`]*```yaml\n(.*?)```"
_RESIZE = r"`hapg resize` needs [^`]*`hapg status`[^`]*```yaml\n(.*?)```"
_RECLONE = r"`hapg resize --reclone` also needs [^`]*```yaml\n(.*?)```"


def _documented(release: Release, pattern: str) -> Any:
    [text] = re.findall(pattern, _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return yaml.safe_load(text.replace("NAME", release.name).replace("NS", release.namespace.name))


def kubeconfig(release: Release, path: Path, *, backups: bool = False, resize: bool = False, reclone: bool = False) -> Path:
    """Write a kubeconfig of an account with the documented Role to `path` and return it.

    backups: with the rules for backup and restore; resize: with those for `hapg resize`; reclone: and for its --reclone.
    """
    role = _documented(release, _ROLE)
    if backups:
        role["rules"] += _documented(release, _MORE)
    if resize:
        role["rules"] += _documented(release, _RESIZE)
    if reclone:
        role["rules"] += _documented(release, _RECLONE)
    name = role["metadata"]["name"]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": release.namespace.name}],
    }
    release.namespace.apply(role, account, binding)
    config = yaml.safe_load(release.namespace.kubectl("config", "view", "--raw", "--minify"))
    config["users"][0]["user"] = {"token": release.namespace.kubectl("create", "token", name).strip()}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
