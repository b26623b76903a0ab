"""Readable scripts in testdata/: each runs a release of real agents in virtual time and prints what they did.

Modelled on etcd's raft (raft/rafttest). A script is a list of blocks: a line `# …` is a comment, a command is a line of
words, and the output of the block follows `----`, up to an empty line. The output is committed and serves as documentation:

    python -m tests.simulation.scripts            compares, and exits with 1 if a script prints something else
    python -m tests.simulation.scripts --rewrite  writes the current output
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hapg_failover.core.write_quorum import ASYNCHRONOUS, Policy
from hapg_protocol.lsn import Position

from . import faults
from .world import World

SCRIPTS = Path(__file__).parent / "testdata"
BREAK = "----"
ROUTINE = re.compile(
    r"PUT renew|put kind|(read|list|extension .*) +no answer|is in progress$"
    r"|: (nothing to do|the Lease is renewed|renew the Lease|waiting|waiting for the positions.*|waiting before the next attempt.*)$"
)
SETTLED_S = 60.0


@dataclass(frozen=True)
class Block:
    """comments, commands: lines; output: the output recorded in the script."""

    comments: tuple[str, ...]
    commands: tuple[str, ...]
    output: tuple[str, ...]


def read(path: Path) -> list[Block]:
    """Return a script's blocks. Raise ValueError for a command without a `----` line after it."""
    blocks = []
    for text in path.read_text(encoding="utf-8").split("\n\n"):
        lines = text.strip("\n").split("\n")
        comments = tuple(line for line in lines if line.startswith("#"))
        rest = [line for line in lines if not line.startswith("#")]
        if BREAK not in rest:
            raise ValueError(f"{path.name}: no {BREAK} below {rest}")
        at = rest.index(BREAK)
        blocks.append(Block(comments, tuple(rest[:at]), tuple(rest[at + 1 :])))
    return blocks


def text_of(blocks: list[Block]) -> str:
    """Return the script that consists of these blocks."""
    return "\n\n".join("\n".join((*b.comments, *b.commands, BREAK, *b.output)) for b in blocks) + "\n"


def perform(blocks: list[Block]) -> list[Block]:
    """Return the blocks with their current output."""
    player = Player()
    return [Block(b.comments, b.commands, tuple(player.play(b.commands))) for b in blocks]


class Player:
    """Runs one script."""

    def __init__(self) -> None:
        self.world = World(1)

    def play(self, commands: tuple[str, ...]) -> Iterator[str]:
        """Execute the commands of a block; return what happened meanwhile, with seconds since the block began.
        Routine messages are left out, and repeated ones are shown once."""
        logged, begun = len(self.world.log), self.world.engine.now
        told: list[str] = []
        for command in commands:
            command, *words = command.split()
            match command:
                case "release":
                    self.release(*words)
                    logged, begun = len(self.world.log), self.world.engine.now
                case "run":
                    self.world.run(float(words[0].removesuffix("s")))
                case "settle":
                    self.world.settle(SETTLED_S)
                case "status":
                    told += status(self.world)
                case _:
                    self.fault(command, words)
        seen = set()
        for line in self.world.log[logged:]:
            at, _, rest = line.strip().partition(" ")
            if rest not in seen and not ROUTINE.search(rest):
                yield f"{float(at) - begun:7.3f} {rest}"
            seen.add(rest)
        yield from told
        yield from (f"VIOLATION {violation}" for violation in self.world.violations)

    def release(self, *words: str) -> None:
        """Create a release: release REPLICAS seed=N [synchronous=K] [fresh]; it is healthy unless fresh."""
        options = dict(word.partition("=")[::2] for word in words[1:])
        k = int(options.get("synchronous", 0))
        self.world = World(
            int(words[0]), int(options.get("seed", 0)), fresh="fresh" in options, policy=Policy(k, True) if k else ASYNCHRONOUS
        )
        if "fresh" not in options:
            self.world.settle(SETTLED_S)

    def fault(self, name: str, words: list[str]) -> None:
        """Inject a fault of faults.py by name, with its arguments: pg-N or primary for a member, otherwise numbers."""
        function: Callable[..., None] = getattr(faults, name.replace("-", "_"))
        parameters = list(inspect.signature(function).parameters)[1:]
        function(self.world, **{key: self._value(word) for key, word in zip(parameters, words, strict=False)})

    def _value(self, word: str) -> Any:
        if word == "primary":
            return self.world.primary()
        if word.startswith("pg-"):
            return int(word.removeprefix("pg-"))
        return float(word.removesuffix("s"))


def status(world: World) -> list[str]:
    """Return a description of the Lease and the members."""
    lease = world.api.lease.state if world.api.lease is not None else None
    if lease is None:
        told = ["Lease: none"]
    else:
        release = "" if lease.release is None else f", released ({lease.release.reason})"
        members = ", ".join(member.pod for member in lease.eligible) or "none"
        sync = "" if lease.sync is None else f", synchronous: {lease.sync.k} of {len(lease.sync.volumes)}"
        told = [f"Lease: {lease.holder.pod}, term {lease.term}, timeline {lease.timeline}, members: {members}{sync}{release}"]
    for member, server in enumerate(world.server):
        wal, phase = server.volume.wal, world.agent[member].memory.phase.value
        state = "writes" if server.writable else f"follows {server.upstream}" if server.upstream else server.state
        position: Position | str = wal.position if wal is not None else "no data"
        pod = world.api.pods.get(world.pod_name(member))
        label = "no pod" if pod is None else f"{pod.role}, hot-standby" if pod.reads else pod.role
        told.append(f"{world.pod_name(member)}: {phase}, {state}, {position}, label {label}")
    return told


def main() -> int:
    """Compare or rewrite every script."""
    parser = argparse.ArgumentParser(prog="tests.simulation.scripts", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rewrite", action="store_true", help="write what the scripts print now")
    rewrite, differs = parser.parse_args().rewrite, False
    for path in sorted(SCRIPTS.glob("*.txt")):
        text = text_of(perform(read(path)))
        if text != path.read_text(encoding="utf-8"):
            sys.stdout.write(f"{path.name}: {'written' if rewrite else 'prints something else'}\n")
            differs = True
            if rewrite:
                path.write_text(text, encoding="utf-8")
    return 1 if differs and not rewrite else 0


if __name__ == "__main__":
    sys.exit(main())
