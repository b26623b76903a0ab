"""What the volumes of a pod are called where one of them is meant."""

from __future__ import annotations

DATA_VOLUME = "data volume"
WAL_VOLUME = "WAL volume"
