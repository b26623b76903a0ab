"""The settings that our server reads only when it starts: those that it runs with, and those of the accepted postgresql.conf.

A setting that another server's WAL prescribes is a limit: a hot standby doesn't start with a lower one than its primary runs with, which
its control file records (xlogrecovery.c, CheckRequiredParameterValues). A warm standby starts with any.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hapg_protocol.start_settings import read
from hapg_protocol.version_profile import LIMITS

_NUMBER = re.compile(r"'?([0-9]{1,9})'?")


@dataclass(frozen=True)
class StartSettings:
    """running, wanted: fingerprints of the settings that our server was started with, and of those it would be started with now. lacks: a
    limit would be lower than its control file prescribes for a hot standby; raises: a limit would be higher than it is.
    """

    running: str
    wanted: str
    lacks: bool = False
    raises: bool = False

    @property
    def changed(self) -> bool:
        """A restart of our server would change its settings."""
        return self.running != self.wanted


def compare(started: str | None, accepted: str | None, recorded: Mapping[str, int]) -> StartSettings | None:
    """Return what a restart of our server would change; None if that can't be known.

    started, accepted: the postgresql.conf that it was started with, and the one for its next start, None: there is none; recorded: the
    limits in its control file, by name, as far as they are known.
    """
    running, wanted = (read(text) if text is not None else None for text in (started, accepted))
    if running is None or wanted is None:
        return None
    before, after = _limits(running), _limits(wanted)
    return StartSettings(
        _fingerprint(running),
        _fingerprint(wanted),
        any(after[name] < recorded[name] for name in after.keys() & recorded.keys()),
        any(after[name] > before[name] for name in after.keys() & before.keys()),
    )


def _limits(settings: Mapping[str, str]) -> Mapping[str, int]:
    """Return the limits that are written as numbers, or not at all."""
    found: dict[str, int] = {}
    for name, default in LIMITS.items():
        match = _NUMBER.fullmatch(settings[name]) if name in settings else None
        if match:
            found[name] = int(match[1])
        elif name not in settings and default is not None:
            found[name] = default
    return found


def _fingerprint(settings: Mapping[str, str]) -> str:
    text = "\n".join(f"{name} = {value}" for name, value in sorted(settings.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
