"""Fixtures of the generator's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.page import HA_POSTGRES

# The page's two objects as they stand there, but for the version.
WARM = HA_POSTGRES

HOT = """\
apiVersion: kubedb.com/v1alpha1
kind: Postgres
metadata:
  name: hot-postgres
  namespace: demo
spec:
  version: "15"
  replicas: 3
  standbyMode: hot
  storage:
    storageClassName: "standard"
    accessModes:
    - ReadWriteOnce
    resources:
      requests:
        storage: 50Mi
"""


@pytest.fixture
def warm_file(tmp_path: Path) -> Path:
    path = tmp_path / "warm.yaml"
    path.write_text(WARM)
    return path
