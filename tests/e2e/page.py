"""The tutorial's own objects."""

from __future__ import annotations

from typing import Any

import yaml

HA_POSTGRES = """\
apiVersion: kubedb.com/v1alpha1
kind: Postgres
metadata:
  name: ha-postgres
  namespace: demo
spec:
  version: "15"
  replicas: 3
  storage:
    storageClassName: "standard"
    accessModes:
    - ReadWriteOnce
    resources:
      requests:
        storage: 50Mi
"""
"""What the page begins with; its version was "9.6"."""


def ha_postgres() -> dict[str, Any]:
    """A copy of the object, for a test to change."""
    found: dict[str, Any] = yaml.safe_load(HA_POSTGRES)
    return found
