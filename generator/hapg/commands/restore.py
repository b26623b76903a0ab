"""hapg restore: write the values of a new release that is restored from the archive of another."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hapg.errors import HapgError, OutputError
from hapg.exits import DONE
from hapg.operate import archiver, backup_requests, restoring, waiting
from hapg.operate import arguments as common
from hapg.operate.backups import Archive
from hapg.operate.kubectl import Cluster, Object
from hapg.operate.release import OperateError, Release
from hapg.operate.restoring import Target

_TARGETS = {
    "time": "the state at this time, with its offset from UTC, such as '2026-12-01 10:00:00+00'",
    "lsn": "the state at this WAL position",
    "name": "the state at this restore point, which pg_create_restore_point has made",
    "xid": "the state after this transaction",
    "backup": "the state at the end of the backup with this label",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    common.add_release(parser)
    parser.add_argument("--as", dest="new", required=True, metavar="NAME", help="the name of the new release; the old one is never changed")
    targets = parser.add_mutually_exclusive_group()
    for name, text in _TARGETS.items():
        targets.add_argument(f"--{name}", metavar=name.upper(), help=f"{text} (default: all that is archived)" if name == "time" else text)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where the values are written (default: standard output)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check the target against the archive, and write the values."""
    new = options.new
    restoring.check_name(options.release, new)
    target = next((Target(kind, value) for kind in _TARGETS if (value := getattr(options, kind)) is not None), Target())
    restoring.check_form(target)
    cluster = common.cluster(options)
    name = common.named(cluster, options)
    restoring.check_name(name, new)
    release = waiting.look(cluster, name)
    repository = archiver.repository(cluster, name)
    stateful_set = _stateful_set(cluster, name)
    _check_is_new(cluster, new)
    archive = _archive(cluster, release)
    if archive is not None:
        restoring.check_target(target, archive)
    found = restoring.values(new, _stanza(cluster, name), archiver.values(repository, stateful_set), stateful_set, target)
    chart = stateful_set["metadata"].get("labels", {}).get("helm.sh/chart", "ha-postgres")
    former = restoring.former_major(target, archive) if archive is not None else ""
    text = restoring.text(name, new, found, target, chart, former)
    if options.output is None:
        print(text, end="")
    else:
        _write(options.output, text)
    return DONE


@contextmanager
def _removed_unless_written(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _stateful_set(cluster: Cluster, name: str) -> Object:
    found = cluster.find("statefulset", name)
    if found is None:
        raise OperateError(f"release {name}: StatefulSet {name} not found, so its Secrets and volumes are unknown")
    return found


def _check_is_new(cluster: Cluster, new: str) -> None:
    """Raise OperateError if `new` has data in this namespace; without the right to look, say so."""
    try:
        lease = cluster.find("lease", new)
    except HapgError as error:
        waiting.say(f"it was not checked whether there is a release {new} already: {error}")
        return
    restoring.check_is_new(new, cluster.namespace, lease)


def _stanza(cluster: Cluster, name: str) -> str:
    lease = cluster.find("lease", name)
    if lease is None:
        raise OperateError(f"{name} has no Lease, so it has never archived anything; see `hapg status`")
    return f"{name}-{lease['metadata']['uid'][:8]}"


def _archive(cluster: Cluster, release: Release) -> Archive | None:
    """Return what the archive holds; None, with a word about it, if no pod can say."""
    pod = release.holder if release.holder is not None and release.held else next(iter(release.pods), None)
    if pod is None:
        waiting.say(f"{release.name} has no pods, so the target was not checked against its archive")
        return None
    try:
        return backup_requests.info(cluster, pod)
    except HapgError as error:
        waiting.say(f"the target was not checked against the archive: {error}")
        return None


def _write(path: Path, text: str) -> None:
    """Create the file with all of the text, or leave none. Raise OutputError."""
    try:
        with path.open("x", encoding="utf-8") as file, _removed_unless_written(path):
            file.write(text)
            file.flush()
    except FileExistsError as error:
        raise OutputError(f"{path}: already exists; nothing was written") from error
    except OSError as error:
        raise OutputError(f"{path}: can't be written: {error.strerror or error}") from error
