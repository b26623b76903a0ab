"""What is declared, and the passwords for it, as files that kubelet projects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..credentials import secret_entries
from ..declared.desired import Declaration, Entry, parse
from .projected import Stamps, stamps

DECLARED = Path("/etc/hapg/config/roles.json")
PASSWORDS = Path("/etc/hapg/roles")
"""The directory with a file SECRET/KEY for each entry."""
_LONGEST = 1 << 16


@dataclass(frozen=True)
class Wanted:
    """What is declared, the usable passwords, and what is wrong with the files."""

    declaration: Declaration = field(default_factory=Declaration)
    passwords: Mapping[Entry, str] = field(default_factory=dict, repr=False)
    complaints: tuple[str, ...] = ()


class DeclaredFiles:
    """Reads the files when they have changed."""

    def __init__(self, declared: Path, passwords: Path) -> None:
        """declared: roles.json; passwords: where kubelet projects the Secrets."""
        self._declared = declared
        self._passwords = passwords
        self._seen: Stamps = ()
        self._wanted = Wanted()

    def look(self) -> Wanted:
        """Return what the files say, the same object while they are the same. If roles.json can't be used, what it said before counts."""
        if self._stamps(self._wanted.declaration) == self._seen:
            return self._wanted
        self._seen = stamps((self._declared,))
        declaration, complaints = self._wanted.declaration, []
        try:
            declaration = parse(self._declared.read_text("utf-8"))
        except FileNotFoundError:
            declaration = Declaration()
        except (OSError, ValueError) as error:
            complaints.append(f"roles and databases: {error}; what was declared before counts")
        self._seen = (*self._seen, *self._stamps(declaration)[1:])
        passwords = {}
        for entry in declaration.entries:
            try:
                read = secret_entries.read(self._file(entry).read_bytes()[:_LONGEST], str(entry))
            except OSError:
                continue
            except ValueError as error:
                complaints.append(str(error))
                continue
            passwords[entry] = read.password
            if read.complaint:
                complaints.append(read.complaint)
        self._wanted = Wanted(declaration, passwords, tuple(complaints))
        return self._wanted

    def _file(self, entry: Entry) -> Path:
        return self._passwords / entry.secret / entry.key

    def _stamps(self, declaration: Declaration) -> Stamps:
        return stamps((self._declared, *map(self._file, declaration.entries)))
