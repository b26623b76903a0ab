"""Runs the container of a verified restore as the pods' user. Started by root, because that user may be unable to read a checkout."""

from __future__ import annotations

import encodings.idna  # noqa: F401 loaded when a host is looked up, which is too late for that user
import json
import os
import sys
from pathlib import Path
from typing import Any

from hapg_backup import verifier
from hapg_backup.adapters.pod import Pod

described, scripts, uid, gid = sys.argv[1:]
os.setgroups([])
os.setresgid(int(gid), int(gid), int(gid))
os.setresuid(int(uid), int(uid), int(uid))
fields: dict[str, Any] = {key: value if key in ("restore_command", "port") else Path(value) for key, value in json.loads(described).items()}
sys.exit(verifier.run(Pod(**fields), os.environ, Path(scripts)))
