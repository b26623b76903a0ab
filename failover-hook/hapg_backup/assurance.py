"""Says, before a major upgrade, which backup could replace the data if the upgrade goes wrong (docs/protocol.md, rule 17)."""

from __future__ import annotations

from hapg_protocol.hand_over import MISSING, AskVerified, VerifiedBackup

from . import verifications
from .adapters.hand_over import Client
from .adapters.pod import Pod
from .archiver import Archiver
from .opening import Opening


class Assurance:
    """Answers `verified MAJOR`."""

    def __init__(self, pod: Pod, opening: Opening, archiver: Archiver) -> None:
        self._pod = pod
        self._opening = opening
        self._archiver = archiver

    def verified(self, asked: AskVerified, client: Client) -> str:
        """Return the answer, once the server's WAL is archived. Raise Misconfigured, NotReady, Unavailable, OSError.

        A backup counts if its restore was verified, no later one has failed, and it is still there.
        """
        if self._pod.major() != asked.major:
            return f"error there is no data of PostgreSQL {asked.major}"
        client.wait("looking for the archive")
        archive = self._opening.archive(asked.major)
        if not archive.exists():
            there = f"the repository has no archive {archive.stanza} of PostgreSQL {asked.major}"
            return f"error {there}; give this chart the former one's archiver"
        record = verifications.record(archive)
        if record.failed is not None:
            return f"error the last restore was not verified: {record.failed.failure}"
        if record.verified is None:
            return MISSING
        if record.verified.backup not in [each.label for each in archive.backups()]:
            return f"error the backup that was verified last, {record.verified.backup}, is no longer in the repository"
        if why := self._archiver.finish(client):
            return f"error {why}"
        return VerifiedBackup(int(record.verified.ended), record.verified.backup).line
