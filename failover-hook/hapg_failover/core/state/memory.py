"""What an agent remembers from one decision to the next."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import assert_never

from .memory_parts import (
    ApiReads,
    CatchingUp,
    Copying,
    Extensions,
    LeaseHold,
    LeaseWrites,
    OperationState,
    Part,
    Reign,
    Reporting,
    Retries,
    SealedAt,
    StorageState,
    Succession,
    SyncState,
    Telling,
    Upstream,
)
from .phases import Phase


@dataclass(frozen=True)
class Memory:
    """What an agent remembers from one decision to the next. Times are CLOCK_BOOTTIME in seconds.

    phase, phase_since: changed only by `Step.go` and `Step.restart_phase`. nonce: identifies the supervisor of the server in that phase.
    """

    phase: Phase = Phase.BOOT
    phase_since: float = 0.0
    nonce: str | None = None
    hold: LeaseHold = field(default_factory=LeaseHold)
    writes: LeaseWrites = field(default_factory=LeaseWrites)
    reads: ApiReads = field(default_factory=ApiReads)
    operation: OperationState = field(default_factory=OperationState)
    sealed: SealedAt = field(default_factory=SealedAt)
    reporting: Reporting = field(default_factory=Reporting)
    upstream: Upstream = field(default_factory=Upstream)
    retry: Retries = field(default_factory=Retries)
    copying: Copying = field(default_factory=Copying)
    catching: CatchingUp = field(default_factory=CatchingUp)
    succession: Succession = field(default_factory=Succession)
    reign: Reign = field(default_factory=Reign)
    storage: StorageState = field(default_factory=StorageState)
    extensions: Extensions = field(default_factory=Extensions)
    sync: SyncState = field(default_factory=SyncState)
    telling: Telling = field(default_factory=Telling)

    def having(self, part: Part) -> Memory:  # noqa: C901 a case for each
        """Return the memory with `part` replacing the part of the same type."""
        match part:
            case LeaseHold():
                return replace(self, hold=part)
            case LeaseWrites():
                return replace(self, writes=part)
            case ApiReads():
                return replace(self, reads=part)
            case OperationState():
                return replace(self, operation=part)
            case SealedAt():
                return replace(self, sealed=part)
            case Reporting():
                return replace(self, reporting=part)
            case Upstream():
                return replace(self, upstream=part)
            case Retries():
                return replace(self, retry=part)
            case Copying():
                return replace(self, copying=part)
            case CatchingUp():
                return replace(self, catching=part)
            case Succession():
                return replace(self, succession=part)
            case Reign():
                return replace(self, reign=part)
            case StorageState():
                return replace(self, storage=part)
            case Extensions():
                return replace(self, extensions=part)
            case SyncState():
                return replace(self, sync=part)
            case Telling():
                return replace(self, telling=part)
            case _:
                assert_never(part)
