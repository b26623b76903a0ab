"""What operations use: the adapters, and facts of the release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..adapters.ports.archive import Archive
from ..adapters.ports.runtime import Runtime
from ..adapters.ports.sql import SourceFacts, Sql
from ..adapters.ports.supervisor import Replay, Supervisor
from ..adapters.ports.volume import Disk, Inspector
from ..core.timing import Timing
from ..core.unreplicated_wal import WalRequest
from ..supervisor_commands import SupervisorCommands

AskWal = Callable[[WalRequest, str, float], bytes]
FindSource = Callable[[], SourceFacts]
Inspect = Callable[[Callable[..., str]], Inspector]
"""Makes an inspector of the volume from a function that runs a command with its arguments and returns the output."""


@dataclass(frozen=True)
class Tools:
    """Everything that operations use.

    port: of PostgreSQL; grace: the pod's, in seconds; slot: our replication slot on a primary, None: slots are not used; missing: programs
    that the image lacks; reloads_conninfo: a standby can change its upstream without a restart; moved_at: CLOCK_BOOTTIME at which the
    server or a job last made visible progress; stall: longest time without progress, in seconds; ask_wal: asks the agent at an address for
    WAL that its dead server had not sent, with a time limit in seconds; raises PeerError; find_source: looks at the live server that the
    first server is to be a clone of; raises SourceError; archive: of the release, None without one; replay: what the supervisor has said
    last about the server's replay, None if nothing.
    """

    runtime: Runtime
    commands: SupervisorCommands
    supervisor: Supervisor
    sql: Sql
    volume: Disk
    inspect: Inspect
    port: int
    grace: int
    slot: str | None = None
    missing: frozenset[str] = frozenset()
    reloads_conninfo: bool = True
    moved_at: Callable[[], float] = lambda: 0.0
    stall: float = Timing.stall
    ask_wal: AskWal | None = None
    find_source: FindSource | None = None
    archive: Archive | None = None
    replay: Callable[[], Replay | None] = lambda: None
