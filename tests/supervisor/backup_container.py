"""Runs the backup container's program as the pods' user. Started by root, because that user may be unable to read a checkout."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from hapg_backup.adapters.pod import Pod
from hapg_backup.container import Service

described, program, port, uid, gid = sys.argv[1:]
os.umask(0o077)
os.setgroups([])
os.setresgid(int(gid), int(gid), int(gid))
os.setresuid(int(uid), int(uid), int(uid))
fields: dict[str, Any] = {key: value if key in ("restore_command", "port") else Path(value) for key, value in json.loads(described).items()}
Service(Pod(**fields), program, int(port)).run()
