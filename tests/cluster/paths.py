"""Paths: the cache of built programs, and the state of the cluster. Both are outside the checkout."""

import os
from pathlib import Path


def _base(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default).absolute() / "ha-postgres"


REPOSITORY = Path(__file__).resolve().parents[2]
GO_MODULES = Path(__file__).resolve().parent / "go"
NPM_PACKAGES = Path(__file__).resolve().parent / "npm"
MANIFESTS = Path(__file__).resolve().parent / "manifests"
FAILOVER_SOURCE = REPOSITORY / "failover-hook"

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the programs of Debian packages are looked for, whatever PATH this program was started with."""

CACHE = _base("XDG_CACHE_HOME", ".cache")
BIN = CACHE / "bin"
GO_BUILDS = CACHE / "go"
IMAGES = CACHE / "images"
BUILDAH = CACHE / "buildah"

STATE = _base("XDG_STATE_HOME", ".local/state")
STATE_LOCK = STATE / "lock"
CLUSTER = STATE / "cluster"
KUBECONFIG = CLUSTER / "admin.conf"
PKI = CLUSTER / "pki"
LOGS = CLUSTER / "logs"
SOCKET = CLUSTER / "supervisor.sock"
SUPERVISOR = CLUSTER / "supervisor.json"
PHASE = CLUSTER / "phase.json"


def node_directory(node: str) -> Path:
    """One node's 'machine': its disk (containerd's root, volumes, kubelet's files) and configuration."""
    return CLUSTER / "nodes" / node
