"""containerd's files with the images unpacked: created once in the cache, and hard-linked into the nodes.

Importing every image into every node would write the same gigabyte three times at each start. The files of an unpacked image are never
written to, so the nodes can share them; only containerd's databases are copied.
"""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import files
from tests.cluster.commands import run, succeeds
from tests.cluster.errors import ClusterError
from tests.cluster.images import Archive
from tests.cluster.output import say, step
from tests.cluster.paths import CACHE

NAMESPACE = "k8s.io"
_ROOTS = CACHE / "containerd"
_ROOTS_KEPT = 4
_START_SECONDS = 30.0
_STOP_SECONDS = 30.0


def import_image(ctr: list[str], archive: Archive) -> None:
    """Imports an image with a ctr command line."""
    run([*ctr, "images", "import", str(archive.path)])


@contextmanager
def _containerd(folder: Path) -> Iterator[list[str]]:
    """A containerd on `folder`/root in its own mount namespace; yields the words of its ctr command."""
    state, address, configuration = folder / "state", folder / "socket", folder / "containerd.toml"
    configuration.write_text(
        f"version = 2\nroot = {json.dumps(str(folder / 'root'))}\nstate = {json.dumps(str(state))}\n"
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f"[grpc]\naddress = {json.dumps(str(address))}\n"
        f'[plugins."io.containerd.internal.v1.opt"]\npath = {json.dumps(str(folder / "opt"))}\n'
    )
    argv = ["unshare", "--mount", "setpriv", "--pdeathsig", "KILL", "containerd", "--config", str(configuration)]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as daemon:
        ctr = ["ctr", "--address", str(address), "--namespace", NAMESPACE]
        try:
            limit = time.monotonic() + _START_SECONDS
            while not succeeds([*ctr, "images", "list", "--quiet"]):
                if daemon.poll() is not None or time.monotonic() > limit:
                    raise ClusterError(f"containerd does not answer: {(folder / 'log').read_text(errors='replace')[-2000:]}")
                time.sleep(0.1)
            yield ctr
        finally:
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()


def _copy(source: Path, target: Path) -> None:
    """Copies containerd's files by hard links, or in full onto another file system; `target` must not exist."""
    if not succeeds(["cp", "--archive", "--link", str(source), str(target)]):
        shutil.rmtree(target, ignore_errors=True)
        run(["cp", "--archive", str(source), str(target)])
    for database in source.glob("*/*.db"):
        copy = target / database.relative_to(source)
        copy.unlink()
        shutil.copy2(database, copy)


def _prepared(archives: list[Archive], base: Path | None) -> Path:
    version = run(["containerd", "--version"])
    path = _ROOTS / files.digest([], version, str(base), *(f"{each.reference} {each.key}" for each in archives))
    if not path.is_dir():
        with files.workspace(_ROOTS) as folder, step("unpacking images for the nodes"):
            if base:
                _copy(base, folder / "root")
            with _containerd(folder) as ctr:
                for archive in archives:
                    import_image(ctr, archive)
            (folder / "root").rename(path)
    path.touch()
    return path


def _forget_old() -> None:
    roots = sorted((path for path in _ROOTS.iterdir() if not path.name.startswith(".")), key=lambda path: path.stat().st_mtime)
    for old in roots[:-_ROOTS_KEPT]:
        say(f"removing unpacked images that are no longer used: {old}")
        shutil.rmtree(old)


def populate(targets: list[Path], stable: list[Archive], changing: list[Archive]) -> None:
    """Creates containerd's root folder of each node, with all images in it.

    `stable` are the images that rarely change: they are not unpacked again if only one of `changing` has changed.
    """
    with files.lock(CACHE / "containerd.lock"):
        source = _prepared(changing, _prepared(stable, None))
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(source, target)
        _forget_old()
