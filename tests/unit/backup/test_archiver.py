"""What the backup container archives of a server that was shut down."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from hapg_backup.adapters import files
from hapg_backup.archiver import Archiver
from hapg_backup.core.listing import Listing
from hapg_backup.knowledge import Knowledge

MIB = 2**20
NAMES = tuple(f"00000001000000000000000{number}" for number in range(1, 6))


class Done:
    code, words = 0, ""


class Archive:
    """A repository that is pushed to until the client's patience is over, after `most` files."""

    def __init__(self, most: int) -> None:
        self.pushed: list[str] = []
        self.sums: dict[str, str] = {}
        self.most = self.left = most

    def listing(self) -> Listing:
        return Listing(dict(self.sums), frozenset())

    def run(self, command: str, path: str, **_: object) -> Done:
        assert command == "archive-push"
        if not self.left:
            raise OSError("nobody waits any more")
        self.left -= 1
        self.pushed.append(Path(path).name)
        self.sums[Path(path).name] = files.sha1(Path(path))
        return Done()


class Pod:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def wal(self) -> Path:
        return self.folder

    def waiting(self) -> dict[str, float]:
        return {path.name: 0.0 for path in self.folder.iterdir()}

    def lineage(self) -> None:
        return None


class Opening:
    def __init__(self, archive: Archive) -> None:
        self.archived = archive

    def archive(self) -> Archive:
        return self.archived

    open = archive


class Client:
    def wait(self, text: str) -> None:
        pass

    def is_gone(self) -> bool:
        return False


def test_each_attempt_to_archive_what_a_server_has_left_gets_further(tmp_path: Path) -> None:
    """However much there is: no server notes what has been archived."""
    for number, name in enumerate(NAMES):
        (tmp_path / name).write_bytes(bytes([number + 1]) * MIB)
    archive = Archive(most=2)
    archiver = Archiver(cast("Any", Pod(tmp_path)), cast("Any", Opening(archive)), Knowledge(), lambda _: None)
    client = cast("Any", Client())
    said = []
    for _ in range(3):
        archive.left = archive.most
        said.append(archiver.finish(client))
    assert said == [f"{NAMES[2]} can't be archived: nobody waits any more", f"{NAMES[4]} can't be archived: nobody waits any more", ""]
    assert archive.pushed == list(NAMES)


def test_a_segment_that_the_archive_has_with_other_content_is_not_taken_for_archived(tmp_path: Path) -> None:
    (tmp_path / NAMES[0]).write_bytes(b"x" * MIB)
    archive = Archive(most=1)
    archive.sums[NAMES[0]] = "0" * 40
    archiver = Archiver(cast("Any", Pod(tmp_path)), cast("Any", Opening(archive)), Knowledge(), lambda _: None)
    assert archiver.finish(cast("Any", Client())) == ""
    assert archive.pushed == [NAMES[0]], "pgBackRest compares them, and refuses"
