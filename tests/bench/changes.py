"""How long changed values need until every server has them in effect: the changes, and their times as lines of JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from tests.bench.summary import Quantiles


@dataclass(frozen=True)
class State:
    """One of the two states of a change. option: Helm's, which brings it about; shows: what a server answers once it is in effect."""

    option: str
    shows: str


@dataclass(frozen=True)
class Change:
    """A change between two states, there and back. A new release is in the first one.

    name: in the lines; title: in the table; statement: what each server is asked; standbys_only: the primary has nothing to change.
    """

    name: str
    title: str
    statement: str
    states: tuple[State, State]
    standbys_only: bool = False


RULES = "SELECT count(*) FROM pg_hba_file_rules WHERE '{reporting}' = user_name"
CHANGES = (
    Change(
        "work_mem",
        "`postgresql.parameters.work_mem`",
        "SHOW work_mem",
        (State("postgresql.parameters.work_mem=5MB", "5MB"), State("postgresql.parameters.work_mem=6MB", "6MB")),
    ),
    Change(
        "pg_hba",
        "`postgresql.pgHba`",
        RULES,
        (State("postgresql.pgHba=[]", "0"), State('postgresql.pgHba=["host orders reporting 10.0.0.0/8 scram-sha-256"]', "1")),
    ),
    Change(
        "max_connections",
        "`postgresql.parameters.max_connections`",
        "SHOW max_connections",
        (State("postgresql.parameters.max_connections=100", "100"), State("postgresql.parameters.max_connections=120", "120")),
    ),
    Change(
        "standby_mode",
        "`standbyMode`",
        "SELECT 'hot'",
        (State("standbyMode=hot", "hot"), State("standbyMode=warm", "Hot standby mode is disabled")),
        standbys_only=True,
    ),
)


@dataclass
class Times:
    """The seconds until the last server had each change in effect: from the start of `helm upgrade`, and from its end."""

    from_start: list[float] = field(default_factory=list)
    from_end: list[float] = field(default_factory=list)

    def add(self, begun: float, ended: float, in_effect: Sequence[float]) -> None:
        """Add a trial: when `helm upgrade` began and ended, and when each server had the change. A server may have it before the end."""
        self.from_start.append(max(in_effect) - begun)
        self.from_end.append(max(0.0, max(in_effect) - ended))

    def line(self) -> dict[str, object]:
        """Return a mapping for a line of JSON; there is at least one trial."""
        ends = {"from_start": self.from_start, "from_end": self.from_end}
        return {"n": len(self.from_start), **{name: asdict(Quantiles.of(values)) for name, values in ends.items()}}


def told(line: Mapping[str, object]) -> Change | None:
    """Return the change that a line of results is about."""
    return next((change for change in CHANGES if change.name in line), None)
