"""Debian packages on this machine, and root file systems of images, both made with Debian's own tools."""

import os
import shutil
from pathlib import Path

from tests.cluster.commands import run
from tests.cluster.errors import ClusterError
from tests.cluster.output import step
from tests.cluster.paths import SEARCH_PATH

SUITE = "bookworm"
_PACKAGES = {
    "buildah": "buildah",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "containernetworking-plugins": "/usr/lib/cni/ptp",
    "iproute2": "ip",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "openssl": "openssl",
    "runc": "runc",
}
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")


def ensure_packages() -> None:
    """Installs the packages that this machine lacks, without recommended packages and without starting daemons.

    Raises ClusterError if this program is not root or apt-get fails.
    """
    if os.geteuid() != 0:
        raise ClusterError("the local cluster needs root (namespaces, mounts, control groups)")
    _install(sorted(name for name, program in _PACKAGES.items() if not shutil.which(program, path=SEARCH_PATH)))


def ensure_program(program: str, package: str) -> None:
    """Installs the package of a missing program, like `ensure_packages`."""
    _install([] if shutil.which(program) else [package])


def _install(missing: list[str]) -> None:
    if not missing:
        return
    environment = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with step(f"installing Debian packages: {' '.join(missing)}"):
        run(["apt-get", "update", "-q"], env=environment)
        run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], env=environment)


def root_file_system(
    target: Path,
    packages: tuple[str, ...],
    *,
    left_out: tuple[str, ...] = (),
    essential_hooks: tuple[str, ...] = (),
    customize_hooks: tuple[str, ...] = (),
    suite: str = SUITE,
    also: str = "",
) -> None:
    """Writes a tar file with a minimal Debian and the packages (without recommended ones).

    `left_out` are dpkg path patterns in addition to documentation and translations. Hooks are shell commands that get the new root as
    "$1": after the essential packages, and at the end. `also` is a further suite of the same mirror, from which come packages that `suite`
    lacks, and those that are named PACKAGE/SUITE. Raises ClusterError if mmdebstrap fails.
    """
    argv = ["mmdebstrap", "--mode=root", "--variant=essential", "--format=tar"]
    argv += [f"--include={','.join(packages)}", '--aptopt=APT::Install-Recommends "false"']
    argv += ['--aptopt=Acquire::Check-Valid-Until "false"']  # a mirror of a moving suite may lag behind
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in (*_LEFT_OUT, *left_out)]
    argv += [f"--essential-hook={hook}" for hook in essential_hooks]
    argv += [f"--customize-hook={hook}" for hook in customize_hooks]
    if also:
        sources = f"s/ {suite} main/ {also} main/"
        argv.append(f'--setup-hook=sed "{sources}" "$1/etc/apt/sources.list" >"$1/etc/apt/sources.list.d/{also}.list"')
    # in its own mount namespace, with its temporary files beside the target, so that a kill leaves nothing behind
    run(["unshare", "--mount", *argv, suite, str(target)], env={"TMPDIR": str(target.parent)})
