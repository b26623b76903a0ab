"""A major upgrade in place on real servers, from the tutorial's major to later images'; and what is left when it fails or is killed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hapg_backup.adapters.pod import Pod
from hapg_backup.adapters.program import PgBackRest
from hapg_backup.core.verification import NOTE
from hapg_backup.opening import NotReady, Opening
from hapg_failover.adapters.backup_container import BackupContainer
from hapg_failover.adapters.ports.archive import Archive
from hapg_failover.core import major_upgrade
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.core.write_quorum import ASYNCHRONOUS, Policy
from tests.fakes.kube import FakeCluster

from . import test_operations
from .backups import STANZA, Backup, Beside, ready, settled
from .conftest import Make, _directory
from .harness import Container, server_user, wait_for
from .pods import Release as Pods
from .test_operations import Operator
from .test_verified_restore import Scratch
from .upgrades import FORMER, IN_IMAGES, NEW, Upgraded, copy_former_programs, copy_image_programs, fetch_programs, hand_over, limited

operate = test_operations.operate
ROWS = "select count(*), md5(string_agg(what, ',' order by id)) from kept"
SEALED_TIMELINE = 5


@pytest.fixture(scope="session")
def programs_of(images: Callable[[str], Path]) -> Iterator[Callable[[str], Path]]:
    """Return the programs of a former major, as the init container of its image copies them; made once."""
    root = _directory()

    @cache
    def programs(major: str) -> Path:
        if major == FORMER:
            copy_former_programs(root / major)
        elif major in IN_IMAGES:
            copy_image_programs(major, images(major), root / major)
        else:
            fetch_programs(major, root / major)
        return root / major

    yield programs
    shutil.rmtree(root)


@pytest.fixture
def former_programs(programs_of: Callable[[str], Path]) -> Path:
    """Those of the tutorial's major."""
    return programs_of(FORMER)


@dataclass
class Release:
    """A volume that the containers of two majors take in turns: the former chart's and the new one's. system: its system identifier."""

    former: Container
    new: Upgraded
    system: str
    rows: str

    def turn(self, container: Container) -> Container:
        """Replace the pod by one of this chart."""
        other = self.new if container is self.former else self.former
        hand_over(other, container)
        container.start()
        return container

    def upgrade(self) -> tuple[str, str]:
        """Run the job; return the answer's result and text."""
        answer = self.new.answer(self.order(), 120)
        print(answer, self.new.agent.output(answer.command_id or ""))
        return answer.result, answer.text

    def order(self) -> str:
        return self.new.tell("upgrade", self.former.profile.major, str(SEALED_TIMELINE), self.system)

    def check(self, container: Container) -> None:
        """Start the server sealed, and compare the rows."""
        container.ok("start", "hot")
        wait_for(lambda: container.answers() == "1", "it answers")
        assert container.sql(ROWS) == self.rows
        assert (
            container.sql("select system_identifier, timeline_id from pg_control_system(), pg_control_checkpoint()") == f"{self.system}|5"
        )


@pytest.fixture
def begin(
    make: Make, template: Path, images: Callable[[str], Path], programs_of: Callable[[str], Path]
) -> Iterator[Callable[..., Release]]:
    """Create a release of the former major that is shut down; its volume is the new chart's next."""
    root = _directory()
    os.chown(root, *server_user())
    made: list[Upgraded] = []

    def begin(*commands: str, apart: bool = False, settings: str = "", majors: tuple[str, str] = (FORMER, NEW)) -> Release:
        """commands: SQL to run before the shutdown; apart: with a WAL volume; settings: lines of the former server's configuration;
        majors: the former and the new one.
        """
        programs = programs_of(majors[0])
        former = make("pod-0", apart=apart, major=majors[0])
        if majors[0] not in (FORMER, *IN_IMAGES):
            former.bin = programs / f"usr/lib/postgresql/{majors[0]}/bin"
        with (former.config / "postgresql.conf").open("a") as conf:
            conf.write(settings)
        if apart or majors[0] != FORMER:
            former.start()
            former.ok("initdb")
        else:
            former.take_data_of(template)
            former.start()
        former.ok("start", "hot")
        former.promote(SEALED_TIMELINE, 1)
        former.sql(
            "create table kept as select g as id, md5(g::text) as what from generate_series(1, 1000) g",
            "create index on kept (what)",
            "analyze kept",
            *commands,
        )
        rows, system = former.sql(ROWS), former.sql("select system_identifier from pg_control_system()")
        former.ok("stop", "fast")
        new = Upgraded(root, former.name, major=majors[1], apart=apart, HAPG_FORMER=str(programs))
        new.image = images(majors[1])
        made.append(new)
        release = Release(former, new, system, rows)
        release.turn(new)
        return release

    yield begin
    for container in made:
        container.close()
    shutil.rmtree(root)


def sums(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("apart", [pytest.param(False, marks=pytest.mark.thorough), True])
def test_an_upgrade_keeps_rows_system_identifier_timeline_and_settings(begin: Callable[..., Release], apart: bool) -> None:
    release = begin("alter system set work_mem = '7MB'", apart=apart)
    new = release.new
    assert release.upgrade() == ("ok", "0")
    before = sums(new.volume / "pgdata.15")
    release.check(new)
    assert sums(new.volume / "pgdata.15") == before  # so it can still be started
    assert new.sql("show work_mem", "show server_version_num").replace("\n", " ").startswith(f"7MB {NEW}")
    assert (new.pgdata / "pg_wal").is_symlink() == apart
    new.promote(SEALED_TIMELINE + 1, SEALED_TIMELINE)
    new.sql("insert into kept values (0, 'new')")
    wait_for(lambda: not (new.volume / "pgdata.15").exists(), "the former directory is removed")
    if new.wal_volume is not None:
        wal = new.wal_volume
        wait_for(lambda: len(list(wal.glob("wal.*"))) == 1, "its WAL too")
    assert new.sql("select count(*) from pg_stats where tablename = 'kept'") == "0"  # from 18 on they are kept
    new.sql("create extension amcheck")
    assert new.sql("select bt_index_check('kept_what_idx', true)") == ""


@pytest.mark.thorough
@pytest.mark.parametrize("majors", [("16", "17"), ("16", "18"), ("16", "19"), ("17", "19")], ids=" to ".join)
def test_an_upgrade_of_another_pair_of_majors_keeps_rows_and_is_rolled_back(begin: Callable[..., Release], majors: tuple[str, str]) -> None:
    """From 18 on, statistics are kept. 17 is a later release than 19's, which doesn't know its option of columns (ADR 0015)."""
    unversioned = "update pg_attribute set attoptions = null where attoptions::text like '{pg_attver=%'"
    release = begin("alter system set work_mem = '7MB'", unversioned, majors=majors)
    new, former = release.new, release.former
    assert release.upgrade() == ("ok", "0")
    release.check(new)
    new.ok("stop", "fast")
    release.turn(former)
    release.check(former)
    former.ok("stop", "fast")
    release.turn(new)
    assert release.upgrade() == ("ok", "0")
    release.check(new)
    new.promote(SEALED_TIMELINE + 1, SEALED_TIMELINE)
    assert new.sql("show work_mem", "show server_version_num").replace("\n", " ").startswith(f"7MB {majors[1]}")
    assert (new.sql("select count(*) from pg_stats where tablename = 'kept'") != "0") == (majors[1] in ("18", "19"))
    wait_for(lambda: not (new.volume / f"pgdata.{majors[0]}").exists(), "the former directory is removed")


def test_an_upgrade_that_is_ordered_twice_leaves_what_the_first_has_made(begin: Callable[..., Release]) -> None:
    release = begin()
    assert release.upgrade() == ("ok", "0")
    volume = release.new.volume
    made = {name: sums(volume / name) for name in ("pgdata", "pgdata.15")}
    result, text = release.upgrade()
    assert (result, "from different major versions" in text) == ("error", True), text
    assert {name: sums(volume / name) for name in ("pgdata", "pgdata.15")} == made
    release.check(release.new)
    release.new.ok("stop", "fast")
    release.turn(release.former)
    release.check(release.former)


@pytest.mark.thorough
@pytest.mark.parametrize("apart", [False, True])
def test_an_upgrade_that_is_killed_anywhere_goes_on_or_is_rolled_back(begin: Callable[..., Release], apart: bool) -> None:
    release = begin(apart=apart)
    new, former = release.new, release.former
    for number, pause in enumerate((0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0)):
        if (new.pgdata / "PG_VERSION").read_text() != f"{NEW}\n":
            release.order()
            time.sleep(pause)
        new.end()
        if number % 2:
            release.turn(former)
            release.check(former)
            former.ok("stop", "fast")
            release.turn(new)
        else:
            new.start()
    if (new.pgdata / "PG_VERSION").read_text() != f"{NEW}\n":
        assert release.upgrade() == ("ok", "0")
    release.check(new)
    new.promote(SEALED_TIMELINE + 1, SEALED_TIMELINE)


def test_a_whole_upgrade_is_rolled_back_until_the_new_server_is_promoted_and_not_afterwards(begin: Callable[..., Release]) -> None:
    release = begin()
    new, former = release.new, release.former
    assert release.upgrade() == ("ok", "0")
    release.check(new)
    new.ok("stop", "fast")
    release.turn(former)
    release.check(former)
    former.promote(SEALED_TIMELINE + 1, SEALED_TIMELINE)
    former.sql("create extension amcheck", "select bt_index_check('kept_what_idx', true)")
    former.ok("stop", "fast")
    release.turn(new)
    assert new.answer(new.tell("upgrade", FORMER, "6", release.system), 120).result == "ok"
    new.ok("start", "hot")
    new.promote(SEALED_TIMELINE + 2, SEALED_TIMELINE + 1)
    new.end()  # before or after the former directory was removed
    release.turn(former)
    assert not (former.volume / "pgdata.15").exists()
    said = f"the server directory is of PostgreSQL {NEW}, this is PostgreSQL {FORMER}: nothing has been touched"
    assert former.ask("start", "hot").text == said


def test_the_states_between_the_renames_of_an_upgrade_and_of_its_rollback_are_put_right(begin: Callable[..., Release]) -> None:
    release = begin()
    new, former = release.new, release.former
    control = new.pgdata / "global" / "pg_control"
    new.end()
    control.rename(control.with_name("pg_control.old"))  # as pg_upgrade leaves it while it links files
    release.turn(former)
    release.check(former)
    former.ok("stop", "fast")
    release.turn(new)
    assert release.upgrade() == ("ok", "0")
    new.end()
    new.pgdata.rename(new.volume / "pgdata.new")  # between the renames, in either direction
    new.start()
    assert (new.pgdata / "PG_VERSION").read_text() == f"{FORMER}\n"
    assert not (new.volume / "pgdata.15").exists()
    assert release.upgrade() == ("ok", "0")
    release.check(new)


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        (("begin", "insert into kept values (-1, '')", "prepare transaction 'open'"), "prepared transactions"),
        (("select pg_create_logical_replication_slot('theirs', 'pgoutput')",), "the replication slot theirs would be lost"),
        (("create table gone (a aclitem)",), "aclitem"),
        (("create extension adminpack",), "$libdir/adminpack"),
        (
            ("update pg_attribute set attoptions = '{pg_later=1}' where attrelid = 'kept'::regclass and attname = 'id'",),
            'unrecognized parameter "pg_later"',
        ),
    ],
    ids=["prepared transaction", "logical slot", "data type", "library", "an older minor release"],
)
def test_an_upgrade_that_is_refused_says_why_and_changes_nothing(
    begin: Callable[..., Release], commands: tuple[str, ...], said: str
) -> None:
    release = begin(*commands, settings="max_prepared_transactions = 2\nwal_level = logical\n")
    result, text = release.upgrade()
    assert result == "error"
    assert said in text
    assert sorted(path.name for path in release.new.volume.iterdir() if path.name.startswith("pgdata")) == ["pgdata"]
    release.turn(release.former)
    release.check(release.former)


def test_an_upgrade_without_room_changes_nothing(begin: Callable[..., Release]) -> None:
    release = begin()
    release.new.end()
    # as large as the former directory and half of what a new one needs
    size = 10 * 1024 * 1024 + sum(path.stat().st_size for path in release.new.volume.rglob("*") if path.is_file())
    with limited(release.new.volume, size):
        release.new.start()
        result, text = release.upgrade()
        assert (result, "No space left on device" in text) == ("error", True), text
        assert sorted(path.name for path in release.new.volume.iterdir() if path.name.startswith("pgdata")) == ["pgdata"]
        release.new.end()
    release.turn(release.former)
    release.check(release.former)


def test_a_replica_is_never_cloned_from_a_primary_of_the_former_major_after_an_upgrade(begin: Callable[..., Release], make: Make) -> None:
    release = begin()
    release.turn(release.former)
    release.check(release.former)
    release.former.promote(SEALED_TIMELINE + 1, SEALED_TIMELINE)
    other = Upgraded(release.new.volume.parents[1], "pod-1", major=NEW)
    other.image = release.new.image
    try:
        other.start()
        answer = other.ask("clone", *release.former.address())
        assert answer.text.endswith(f"the server at this address is of PostgreSQL {FORMER}, this is PostgreSQL {NEW}"), answer
        assert not other.pgdata.exists()
    finally:
        other.close()


@dataclass
class Charts:
    """A release of three pods, whose chart is now that of one major and now that of the other."""

    former: Callable[[str], Container]
    new: Callable[[str], Upgraded]
    cluster: FakeCluster
    turns: int = 0
    current: Pods | None = None

    def install(self, major: str, policy: Policy = ASYNCHRONOUS) -> Pods:
        """Start pods of this major's chart on the volumes of the pods before. policy: of replication."""
        before = {} if self.current is None else {pod.container.name: pod.container for pod in self.current.pods}

        def container(name: str) -> Container:
            taker = self.former(name) if major == FORMER else self.new(name)
            if name in before:
                hand_over(before[name], taker)
            return taker

        self.turns += 1
        upgrades_from = FORMER if major == NEW else None
        self.current = Pods(
            container,
            policy=policy,
            cluster=self.cluster,
            major=major,
            upgrades_from=upgrades_from,
            generation=f"-{self.turns}",
        )
        for pod in self.current.pods:
            pod.start(agent_first=True)
        return self.current


@pytest.fixture
def charts(make: Make, images: Callable[[str], Path], former_programs: Path) -> Iterator[Charts]:
    root = _directory()
    os.chown(root, *server_user())
    made: list[Upgraded] = []

    def new(name: str) -> Upgraded:
        made.append(Upgraded(root / str(len(made)), name, major=NEW, HAPG_FORMER=str(former_programs)))
        made[-1].image = images(NEW)
        return made[-1]

    def former(name: str) -> Container:
        container = make(f"{release.turns}/{name}")
        container.name = name
        return container

    release = Charts(former, new, FakeCluster())
    yield release
    if release.current is not None:
        release.current.stop()
    for container in made:
        container.close()
    shutil.rmtree(root)


def begun(charts: Charts, policy: Policy = ASYNCHRONOUS) -> tuple[Pods, str]:
    """Install the former major's release and write rows; return them."""
    former = charts.install(FORMER, policy)
    former.wait(former.is_whole, "the former release is whole", 180)
    primary = former.primary
    assert primary is not None
    primary.container.sql("create table kept as select g as id, md5(g::text) as what from generate_series(1, 1000) g")
    return former, primary.container.sql(ROWS)


@pytest.mark.parametrize(
    "policy",
    [pytest.param(ASYNCHRONOUS, id="asynchronous"), pytest.param(Policy(1, strict=True), id="synchronous", marks=pytest.mark.thorough)],
)
def test_a_release_that_was_paused_goes_on_with_the_next_major(charts: Charts, policy: Policy) -> None:
    """The last primary's data is upgraded, whichever ordinal it has; the others are cloned from it."""
    former, rows = begun(charts, policy)
    last = former.lease
    former.pause()
    assert former.lease.release is not None
    assert former.lease.release.clean
    new = charts.install(NEW, policy)
    new.wait(new.is_whole, "the new release is whole", 240)
    upgraded = new.primary
    assert upgraded is not None
    assert upgraded.container.name == last.holder.pod
    assert upgraded.container.sql(ROWS) == rows
    assert (new.lease.system_identifier, new.lease.timeline) == (last.system_identifier, last.timeline + 1)
    new.wait(lambda: {(pod.container.answers("show server_version_num") or "")[:2] for pod in new.pods} == {NEW}, "all are of it")
    assert [each[1] for each in new.cluster.events].count("MajorUpgraded") == 1
    upgraded.container.sql("insert into kept values (0, 'new')")


@pytest.mark.thorough
def test_a_release_whose_upgrade_is_interrupted_goes_on_with_either_major(charts: Charts) -> None:
    former, rows = begun(charts)
    term = former.lease.term
    former.pause()
    for pause in (0.5, 2.0, 4.0, 6.0, 8.0):
        new = charts.install(NEW)
        time.sleep(pause)
        new.lose()
        if new.lease.term > term:
            break  # it was promoted: there is no way back
        former = charts.install(FORMER)
        former.wait(former.is_whole, "the former release is whole", 180)
        primary = former.primary
        assert primary is not None
        assert primary.container.sql(ROWS) == rows
        primary.container.sql(f"insert into kept values ({-former.lease.term}, 'once more')")
        rows, term = primary.container.sql(ROWS), former.lease.term
        former.pause()
    new = charts.install(NEW)
    new.wait(new.is_whole, "the new release is whole", 240)
    assert new.primary is not None
    assert new.primary.container.sql(ROWS) == rows


@pytest.mark.thorough
def test_an_upgrade_goes_on_beside_its_agent_after_its_container_was_killed(charts: Charts) -> None:
    former, rows = begun(charts)
    last = former.lease.holder.pod
    former.pause()
    new = charts.install(NEW)
    [pod] = [each for each in new.pods if each.container.name == last]
    for pause in (1.0, 2.0, 3.0, 4.0):
        time.sleep(pause)
        pod.container.end()
        pod.container.launch()
    new.wait(new.is_whole, "the new release is whole", 240)
    assert new.primary is not None
    assert new.primary.container.sql(ROWS) == rows


def test_a_release_that_was_not_paused_is_not_upgraded(charts: Charts) -> None:
    former, rows = begun(charts)
    former.lose()
    new = charts.install(NEW)
    new.wait(lambda: [each for each in new.cluster.events if "was not shut down in order" in str(each)], "it is refused")
    new.lose()
    former = charts.install(FORMER)
    former.wait(former.is_whole, "the former release is whole", 180)
    assert former.primary is not None
    assert former.primary.container.sql(ROWS) == rows


def in_the_same_place(beside: Beside, container: Container, earlier: Backup, **settings: Any) -> Backup:
    """Start a backup container beside a container with other directories, with the repository of an earlier one."""
    backup = beside(container, repository={"type": "local", "path": str(earlier.repository)}, **settings)
    backup.program = earlier.program
    return backup


def goes_on(release: Release, beside: Beside, before: Backup) -> Backup:
    """Upgrade a release that archives, and let the new major's backup container run beside the server, which is promoted."""
    new = release.new
    backup = in_the_same_place(beside, new, before)
    release.turn(new)
    assert new.answer(new.tell("upgrade", FORMER, "6", release.system), 120).result == "ok"
    new.ok("start", "hot")
    new.promote(SEALED_TIMELINE + 2, SEALED_TIMELINE + 1)
    return backup


@pytest.fixture
def archiving(begin: Callable[..., Release], beside: Beside) -> Callable[..., tuple[Release, Backup]]:
    """A release of the former major that archives and has a backup; both are shut down."""

    def archiving(verified: bool = False, **settings: Any) -> tuple[Release, Backup]:
        """verified: a restore was verified, and some WAL is not archived when the server is shut down; settings: of backup.json."""
        release = begin()
        former = release.former
        backup = beside(former, **settings)
        release.turn(former)
        former.ok("start", "hot")
        former.promote(SEALED_TIMELINE + 1, SEALED_TIMELINE)
        backup.backup()
        former.sql("insert into kept values (2001, 'archived')", "select pg_switch_wal()")
        settled(former)
        if verified:
            scratch = Scratch(backup.root / "scratch", backup).start()
            outcome = scratch.verify()
            scratch.close()
            assert outcome.code == 0, outcome
            backup.kill()
            former.sql(*["select pg_logical_emit_message(true, '', 'x')", "select pg_switch_wal()"] * 3)
        former.ok("stop", "fast")
        backup.kill()
        return release, backup

    return archiving


@dataclass
class Upgrading:
    """Carries out the agent's operation on the container of the new major."""

    release: Release
    operate: Callable[..., Operator]

    def __call__(self, archive: Archive | None) -> OpResult:
        """archive: as the agent is given it."""
        new = self.release.new
        operator = self.operate(new, new)
        operator.tools = replace(operator.tools, archive=archive)
        found = operator.run(Op.UPGRADE, major=FORMER, timeline=6, system_identifier=self.release.system, begun=(1, 1), verified_s=3600.0)
        operator.close()
        return found


def test_an_upgrade_beside_an_archive_needs_a_backup_that_was_verified_lately(
    archiving: Callable[..., tuple[Release, Backup]], beside: Beside, operate: Callable[..., Operator]
) -> None:
    """It also archives what the former server has not archived before it was shut down."""
    release, before = archiving(verified=True)
    new, upgrade = release.new, Upgrading(release, operate)
    left = set(ready(release.former))
    assert len(left) > 1
    release.turn(new)
    archive = BackupContainer(new.run)
    note = before.repository / "archive" / STANZA / NOTE
    known = json.loads(note.read_text())
    verified = known["verified"]
    label = verified["backup"]

    def refused(archive: Archive | None, why: str, **kept: object) -> bool:
        note.write_text(json.dumps(known | kept))
        found = upgrade(archive)
        assert (found.outcome, found.text.removesuffix(f": {major_upgrade.VERIFY_FIRST}")) == (Outcome.FAILED, why)
        return (new.pgdata / "PG_VERSION").read_text() == f"{FORMER}\n" and not (new.volume / "upgrade").exists()

    assert not left & before.archived()
    unknown = "no backup can be relied on: the backup container: "
    never = "no restore of a backup was ever verified"
    assert refused(archive, f"{unknown}it does not listen")
    in_the_same_place(beside, new, before)
    assert refused(None, never)
    assert refused(archive, never, verified=None)
    assert refused(archive, never, verified=verified | {"major": "14"})
    assert refused(
        archive,
        f"the last verified restore, of {label}, is 2 h old, and may be 1 h old at most",
        verified=verified | {"ended": time.time() - 7200},
    )
    assert refused(
        archive, f"{unknown}the last restore was not verified: no room", failed=verified | {"failure": "no room", "ended": time.time()}
    )
    gone = "20200101-010101F"
    assert refused(
        archive, f"{unknown}the backup that was verified last, {gone}, is no longer in the repository", verified=verified | {"backup": gone}
    )
    note.write_text(json.dumps(known))
    assert upgrade(archive).outcome is Outcome.OK
    assert left <= before.archived()
    assert (new.pgdata / "PG_VERSION").read_text() == f"{NEW}\n"


def parts(backup: Backup) -> dict[str, set[str]]:
    """Return the timelines of the archived segments, by directory of the archive."""
    found: dict[str, set[str]] = {}
    for path in (backup.repository / "archive" / STANZA).glob("*/*/*-*"):
        found.setdefault(path.parents[1].name, set()).add(path.name[:8])
    return found


@pytest.mark.thorough
def test_the_archive_goes_on_in_the_same_place_after_an_upgrade_and_both_majors_restore(
    archiving: Callable[..., tuple[Release, Backup]], beside: Beside, make: Make
) -> None:
    release, before = archiving()
    backup = goes_on(release, beside, before)
    new = release.new
    new.sql("insert into kept values (2002, 'new')", "select pg_switch_wal()")
    settled(new)
    assert parts(before) == {"15-1": {"00000006"}, "17-2": {"00000007"}}
    assert backup.info()["verification"] == {"verified": None, "failed": None}
    backup.backup("incr")
    new.sql("insert into kept values (2003, 'new')", "select pg_switch_wal()")
    settled(new)
    found = backup.info()
    assert [(each["version"], each["type"]) for each in found["backups"]] == [("15", "full"), ("17", "full")]
    assert (found["major"], found["continuity"]["holes"], found["continuity"]["from"][:8]) == ("17", [], "00000007")
    for container, last in ((make("former-0"), 2001), (elsewhere(new, "new-0"), 2003)):
        restored = in_the_same_place(beside, container, before, name="new", restore={"stanza": "db"})
        restored.birth("99999999-0000-4000-8000-000000000009")
        container.start()
        answer = container.answer(container.tell("restore"), 120)
        assert answer.result == "ok", (answer, restored.said()[-2000:])
        container.ok("start", "hot")
        wait_for(lambda: container.answers() == "1", "it answers")  # noqa: B023 at once
        assert container.sql("select max(id) from kept") == str(last)
        container.end()


@pytest.mark.thorough
def test_the_archive_stays_the_former_majors_until_the_upgraded_server_is_promoted(
    archiving: Callable[..., tuple[Release, Backup]], beside: Beside
) -> None:
    """Rolled back before, the former server archives and backs up as if nothing had happened."""
    release, before = archiving()
    new, former = release.new, release.former
    backup = in_the_same_place(beside, new, before)
    release.turn(new)
    assert new.answer(new.tell("upgrade", FORMER, "6", release.system), 120).result == "ok"
    new.ok("start", "hot")
    contents = sums(before.repository)
    pod = Pod(volume=new.volume, run=new.run, config=new.config, work=backup.root, port=new.port)
    opening = Opening(pod, PgBackRest(str(backup.program), backup.root), print)
    with pytest.raises(NotReady, match="the upgraded server is not promoted yet"):  # as between the order to promote and the promotion
        opening.open()
    assert sums(before.repository) == contents
    new.ok("stop", "fast")
    backup.kill()
    before.start()
    release.turn(former)
    former.ok("start", "hot")
    former.promote(SEALED_TIMELINE + 2, SEALED_TIMELINE + 1)
    former.sql("insert into kept values (2002, 'rolled back')", "select pg_switch_wal()")
    settled(former)
    before.backup("incr")
    assert [each["type"] for each in before.info()["backups"]] == ["full", "incr"]
    assert parts(before) == {"15-1": {"00000006", "00000007"}}
    assert before.info()["continuity"]["holes"] == []


@pytest.mark.thorough
def test_an_archive_whose_upgrade_was_interrupted_goes_on_and_retention_removes_the_former_major_last(
    archiving: Callable[..., tuple[Release, Backup]], beside: Beside
) -> None:
    retention = {"retention": {"full": 2}}
    release, before = archiving(**retention)
    folder = before.repository / "backup" / STANZA
    kept = {path.name: path.read_bytes() for path in folder.glob("backup.info*")}
    backup = goes_on(release, beside, before)
    wait_for(lambda: "goes on with PostgreSQL 17" in backup.said(), "the archive goes on")
    backup.kill()
    for name, content in kept.items():
        (folder / name).write_bytes(content)  # pgBackRest writes archive.info first
    backup.configure(**retention)
    backup.start()
    backup.backup()
    assert set(parts(before)) == {"15-1", "17-2"}
    backup.backup()
    assert [each["version"] for each in backup.info()["backups"]] == ["17", "17"]
    assert set(parts(before)) == {"17-2"}


def elsewhere(container: Upgraded, name: str) -> Upgraded:
    """Return a container with empty volumes and the same image as another one."""
    found = Upgraded(container.volume.parents[1], name, major=container.profile.major)
    found.image = container.image
    return found
