"""pgBackRest for this machine, as the backup image has it: from Debian trixie, with its libraries."""

import json
import tarfile
from pathlib import Path

from tests.archives import extract
from tests.cluster import debian, files, images
from tests.cluster.commands import run
from tests.cluster.output import step
from tests.cluster.paths import CACHE, FAILOVER_SOURCE

_FOLDER = CACHE / "pgbackrest"
_UNPACK = FAILOVER_SOURCE / "unpack-pgbackrest.sh"


def directory() -> Path:
    """The folder with the program `pgbackrest`, once `ensure` has run."""
    return _FOLDER / files.digest([_UNPACK], images.PGBACKREST_KEY)


def ensure() -> Path:
    """Makes the folder if needed; returns it. Raises ClusterError."""
    debian.ensure_packages()
    target = directory()
    with files.lock(CACHE / "images.lock"):
        if not target.exists():
            archive = images.pgbackrest_root()
            with files.workspace(_FOLDER) as folder, step("unpacking pgBackRest"):
                _extract(archive.path, folder / "root")
                run(["sh", str(_UNPACK), str(folder / "root"), str(folder / "pgbackrest")])
                (folder / "pgbackrest").rename(target)
    return target


def _extract(archive: Path, root: Path) -> None:
    """Extracts the only layer of an image's archive."""
    with tarfile.open(archive) as outer:

        def blob(digest: str) -> tarfile.ExFileObject:
            member = outer.extractfile(f"blobs/{digest.replace(':', '/')}")
            assert isinstance(member, tarfile.ExFileObject)
            return member

        index = outer.extractfile("index.json")
        assert index is not None
        [manifest] = json.load(index)["manifests"]
        [layer] = json.load(blob(manifest["digest"]))["layers"]
        with tarfile.open(fileobj=blob(layer["digest"])) as inner:
            members = [each for each in inner.getmembers() if not each.isdev()]
            extract(inner, root, "fully_trusted", members)  # it has absolute links
