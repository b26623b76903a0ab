"""A mistake in the release's configuration, on real servers: it is found before it does harm, reported by the name of its value, and
never mistaken for damage."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hapg_failover.configuration import DataRefused, configure
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import Outcome
from hapg_failover.supervisor_commands import OperationFailed

from .conftest import Make
from .harness import TIMEOUT, Container, chown, wait_for
from .test_majors import ALL
from .test_operations import Operator

MISTAKES: dict[str, tuple[str, str, str]] = {
    "method": ("", "host all all 10.0.0.0/8 scram-sha256", 'postgresql.pgHba[1]: invalid authentication method "scram-sha256"'),
    "mask": ("", "host all all 10.0.0.0/40 trust", 'postgresql.pgHba[1]: invalid CIDR mask in address "10.0.0.0/40"'),
    "half a line": ("", "host all", "postgresql.pgHba[1]: end-of-line before role specification"),
    "library": (
        "shared_preload_libraries = 'timescaledb'",
        "",
        'postgresql.parameters.shared_preload_libraries: could not access file "timescaledb": No such file or directory',
    ),
    "value": ("work_mem = '16 bananas'", "", 'postgresql.parameters.work_mem: invalid value for parameter "work_mem": "16 bananas"'),
    "names": (
        "max_connectons = 100\nwrk_mem = 4MB",
        "",
        'postgresql.parameters.max_connectons: unrecognized configuration parameter "max_connectons"; '
        'postgresql.parameters.wrk_mem: unrecognized configuration parameter "wrk_mem"',
    ),
    "memory": (
        "shared_buffers = '4TB'",
        "",
        "postgresql.parameters (shared_buffers, max_connections, huge_pages): could not map anonymous shared memory: "
        "Cannot allocate memory",
    ),
    "certificate": (
        "ssl = on\nssl_cert_file = '/nonexistent/tls.crt'",
        "",
        'tls: could not load server certificate file "/nonexistent/tls.crt": No such file or directory',
    ),
    "contradiction": ("archive_mode = on\nwal_level = minimal", "", 'WAL archival cannot be enabled when wal_level is "minimal"'),
}
"""What is added to postgresql.conf and to the lines of postgresql.pgHba, and what is said of it."""

every_mistake = pytest.mark.parametrize(("conf", "hba", "said"), MISTAKES.values(), ids=MISTAKES)


class Pod:
    """A container, its operations, and the release's values in its files."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self._conf, self._hba = container.config / "postgresql.conf", container.config / "pg_hba.conf"
        self._good = self._conf.read_text(), self._hba.read_text()
        self.set()
        container.start()
        self.operator = Operator(container, container)

    def set(self, conf: str = "", hba: str = "") -> None:
        self._conf.write_text(f"{self._good[0]}\n{conf}\n")
        local, own = self._good[1].lstrip().split("\n", 1)
        self._hba.write_text(f"{local}\n# postgresql.pgHba\nhost all all 10.9.9.9/32 trust\n{hba}\n# the chart's own\n{own}")

    def start(self, mode: str = "hot") -> tuple[Outcome, str | None]:
        result = self.operator.run(Op.START, mode=mode)
        return result.outcome, result.refused

    def configure(self) -> str:
        """Try the files beside the running server, as the agent does when they change."""
        tools = self.operator.tools
        return configure(tools.commands, tools.supervisor, self.operator.nonce, self.container.term)

    def command(self, command: str, *args: str) -> str:
        return self.operator.tools.commands.call(self.operator.nonce, self.container.term, command, *args, timeout=TIMEOUT)[0]

    def promote(self) -> None:
        self.container.deadline(None)
        self.command("promote", "2", "1")
        wait_for(lambda: self.container.answers("select pg_is_in_recovery()") == "f", "it is writable")

    def shows(self, setting: str, value: str) -> None:
        wait_for(lambda: self.container.answers(f"show {setting}") == value, f"{setting} is {value}")


@pytest.fixture
def new(make: Make, templates: Callable[[str], Path]) -> Iterator[Callable[..., Pod]]:
    """Create a pod whose server has never been started, so that no configuration was ever accepted there."""
    made: list[Pod] = []

    def new(major: str = "15", **environment: str) -> Pod:
        container = make(f"pod-{len(made)}", major=major, **environment)
        container.take_data_of(templates(major))
        made.append(Pod(container))
        return made[-1]

    yield new
    for pod in made:
        pod.operator.close()


@pytest.fixture
def pod(new: Callable[..., Pod]) -> Pod:
    return new()


def make_certificate(directory: Path, name: str) -> None:
    """Create NAME.crt and NAME.key as in the pods' Secret: readable by the server's user."""
    directory.mkdir(exist_ok=True)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "2"]
    command += ["-keyout", str(directory / f"{name}.key"), "-out", str(directory / f"{name}.crt")]
    subprocess.run(command, check=True, capture_output=True)
    (directory / f"{name}.key").chmod(0o600)
    chown(directory)


# ---- at start ----


@every_mistake
def test_a_server_that_can_not_start_says_which_value_is_wrong_and_keeps_its_data(pod: Pod, conf: str, hba: str, said: str) -> None:
    pod.set(conf, hba)
    result = pod.operator.run(Op.START, mode="hot")
    assert result.outcome is Outcome.REFUSED
    assert result.text.startswith(said)
    assert result.refused == result.text
    pod.set("work_mem = '7MB'")
    assert pod.start() == (Outcome.OK, "")
    pod.shows("work_mem", "7MB")


@every_mistake
def test_a_server_that_has_run_starts_with_what_it_took_last(pod: Pod, conf: str, hba: str, said: str) -> None:
    pod.set("work_mem = '7MB'", "host all all 10.8.8.8/32 trust")
    assert pod.start() == (Outcome.OK, "")
    pod.operator.run(Op.STOP)
    pod.set("work_mem = '8MB'\n" + conf, hba)
    outcome, refused = pod.start()
    assert outcome is Outcome.OK
    assert (refused or "").startswith(said)
    pod.shows("work_mem", "7MB")
    assert pod.container.sql("select count(*) from pg_hba_file_rules where address = '10.8.8.8' and error is null") == "1"
    pod.operator.run(Op.STOP)
    pod.set("work_mem = '9MB'")
    assert pod.start() == (Outcome.OK, "")
    pod.shows("work_mem", "9MB")


@pytest.mark.parametrize("major", ALL)
def test_each_major_tells_a_wrong_setting_from_damaged_data(new: Callable[..., Pod], major: str) -> None:
    pod = new(major)
    pod.set(hba="host all all 10.0.0.0/8 scram-sha256")
    assert pod.start("warm") == (Outcome.REFUSED, 'postgresql.pgHba[1]: invalid authentication method "scram-sha256"')
    pod.set("shared_preload_libraries = 'timescaledb'")
    outcome, refused = pod.start("warm")
    assert (outcome, "timescaledb" in (refused or "")) == (Outcome.REFUSED, True)
    pod.set()
    assert pod.start("warm") == (Outcome.OK, "")
    pod.operator.run(Op.STOP)
    control = pod.container.pgdata / "global" / "pg_control"
    kept = control.read_bytes()
    control.write_bytes(bytes(len(kept)))
    assert pod.start("warm")[0] is Outcome.FAILED
    control.write_bytes(kept)
    wal = pod.container.pgdata / pod.container.profile.wal_directory
    for segment in wal.glob("0000*"):
        segment.unlink()
    assert pod.start("warm")[0] is Outcome.FAILED, "one without data would start"


def test_what_alter_system_has_set_is_tried_too(pod: Pod) -> None:
    auto = pod.container.pgdata / "postgresql.auto.conf"
    kept = auto.read_text()
    auto.write_text(kept + "wrk_mem = '4MB'\n")
    assert pod.start() == (Outcome.REFUSED, 'ALTER SYSTEM: unrecognized configuration parameter "wrk_mem"')
    auto.write_text(kept)
    assert pod.start() == (Outcome.OK, "")


def test_a_start_that_is_killed_proves_nothing(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the container's memory is used up."""
    killed = OperationFailed("start: error the postmaster ended with code 137")
    call = pod.operator.tools.commands.call

    def end(nonce: str, term: int, command: str, *args: str, **more: Any) -> tuple[str, str]:
        if command == "start":
            raise killed
        return call(nonce, term, command, *args, **more)

    monkeypatch.setattr(pod.operator.tools.commands, "call", end)
    assert pod.start()[0] is Outcome.UNPROVEN


def test_a_configuration_that_can_not_be_tried_is_not_blamed(pod: Pod) -> None:
    trial = pod.container.run / "trial"
    trial.mkdir(mode=0o500)
    (trial / "kept").mkdir()
    trial.chmod(0o500)  # owned by root: it can't be removed
    assert pod.start() == (Outcome.OK, None)
    pod.operator.run(Op.STOP)
    (pod.container.pgdata / "global" / "pg_control").write_bytes(b"")
    result = pod.operator.run(Op.START, mode="hot")
    assert (result.outcome, result.refused) == (Outcome.UNPROVEN, None)


# ---- beside a running server ----


@every_mistake
def test_a_mistake_is_found_at_the_reload_and_changes_nothing(pod: Pod, conf: str, hba: str, said: str) -> None:
    pod.set("work_mem = '7MB'")
    pod.start()
    pod.set("work_mem = '8MB'\n" + conf, hba)
    assert pod.configure().startswith(said)
    pod.set("maintenance_work_mem = '70MB'\nwork_mem = '9MB'")
    assert pod.configure() == ""
    pod.shows("maintenance_work_mem", "70MB")
    pod.shows("work_mem", "9MB")


@pytest.mark.parametrize("mode", ["hot", "warm"])
def test_a_broken_configuration_does_not_keep_a_standby_from_being_sealed(new: Callable[..., Pod], mode: str) -> None:
    """If a file has an unknown parameter, PostgreSQL reloads nothing, so it doesn't change its upstream either."""
    primary, replica = new(), new()
    assert primary.start() == (Outcome.OK, "")
    primary.promote()
    replica.operator.close()
    replica.operator = Operator(replica.container, primary.container)
    assert replica.operator.run(Op.CLONE, host="127.0.0.1", timeline=2).outcome is Outcome.OK
    assert replica.start(mode) == (Outcome.OK, "")
    assert replica.operator.run(Op.FOLLOW, host="127.0.0.1", timeline=2).outcome is Outcome.OK
    streams = "select count(*) from pg_stat_replication where state = 'streaming'"
    wait_for(lambda: primary.container.sql(streams) == "1", "it streams")
    for pod in (primary, replica):
        pod.set("max_connectons = 100")
        assert "max_connectons" in pod.configure()
    primary.command("standbys", "1", "pod-1")
    primary.shows("synchronous_standby_names", 'ANY 1 ("pod-1")')
    assert replica.operator.run(Op.SEAL).outcome is Outcome.OK
    assert primary.container.sql(streams) == "0"


def test_a_warm_standby_reads_what_it_takes(pod: Pod) -> None:
    assert pod.start("warm") == (Outcome.OK, "")
    pod.set("work_mem = '8MB'")
    assert pod.configure() == ""
    wait_for(lambda: 'parameter "work_mem" changed to "8MB"' in pod.container.log.read_text(), "it has read it")


def test_a_primary_starts_again_after_a_crash_with_what_it_took_last(pod: Pod) -> None:
    pod.set("work_mem = '7MB'", "host all all 10.8.8.8/32 trust")
    pod.start()
    pod.promote()
    pod.set("work_mem = '8MB'", "host all all 10.7.7.7/32 trust")
    assert pod.configure() == ""
    pod.set("work_mem = '9MB'", "host all all 10.6.6.6/32 turst")
    assert pod.configure() == 'postgresql.pgHba[1]: invalid authentication method "turst"'
    os.kill(pod.container.postmaster(), signal.SIGKILL)
    wait_for(lambda: pod.container.state == "down", "it is down")
    outcome, refused = pod.start()
    assert (outcome, refused) == (Outcome.OK, 'postgresql.pgHba[1]: invalid authentication method "turst"')
    pod.shows("work_mem", "8MB")
    assert pod.container.sql("select address from pg_hba_file_rules where address like '10.7.%'") == "10.7.7.7"


def test_what_was_taken_outlives_the_pod(pod: Pod) -> None:
    """A recreated pod has its data volume, and nothing else from the old pod."""
    pod.set("work_mem = '7MB'")
    pod.start()
    pod.operator.close()
    pod.container.end()
    for entry in pod.container.run.iterdir():
        if entry.is_file() and entry.name not in ("pwfile", "pgpass"):
            entry.unlink()
    pod.set("max_connectons = 100")
    pod.container.start()
    pod.operator = Operator(pod.container, pod.container)
    outcome, refused = pod.start()
    assert (outcome, "max_connectons" in (refused or "")) == (Outcome.OK, True)
    pod.shows("work_mem", "7MB")


def test_more_memory_than_there_is_is_found_beside_a_server_that_has_its_own(pod: Pod) -> None:
    pod.start()
    assert pod.configure() == "", "a second time the same isn't asked for"
    pod.set("huge_pages = on\nshared_buffers = '4TB'")
    assert "could not map anonymous shared memory" in pod.configure()


@pytest.mark.parametrize("command", ["seal fast", "controldata"])
def test_a_trial_gives_way_to_whatever_comes(pod: Pod, command: str) -> None:
    """A failover takes precedence. The trial's server would count as a WAL receiver that is starting."""
    pod.start()
    endless, before = pod.container.config / "endless", len(pod.container.pids())
    os.mkfifo(endless, 0o644)
    pod.set(f"include = '{endless}'")
    with ThreadPoolExecutor() as beside:
        trial = beside.submit(pod.configure)
        wait_for(lambda: len(pod.container.pids()) > before, "the trial's server runs")
        pod.command(*command.split())
        with pytest.raises(OperationFailed, match="superseded"):
            trial.result(TIMEOUT)
    pod.set("work_mem = '9MB'")
    assert pod.configure() == ""
    pod.shows("work_mem", "9MB")


# ---- certificates ----


def test_a_certificate_is_tried_before_it_is_read(pod: Pod) -> None:
    tls = pod.container.volume.parent / "tls"
    for name in ("tls", "other"):
        make_certificate(tls, name)
    conf = f"ssl = on\nssl_cert_file = '{tls}/tls.crt'\nssl_key_file = '{tls}/tls.key'"
    pod.set(conf)
    assert pod.start() == (Outcome.OK, "")
    shutil.copy(tls / "other.crt", tls / "tls.crt")
    assert pod.configure().startswith(f'tls: could not load private key file "{tls}/tls.key": key values mismatch')
    assert pod.container.sql("show ssl") == "on"
    pod.operator.run(Op.STOP)
    outcome, refused = pod.start()
    assert (outcome, (refused or "").startswith("tls: could not load private key")) == (Outcome.REFUSED, True)
    (tls / "tls.crt").unlink()
    assert pod.start() == (Outcome.REFUSED, f'tls: could not load server certificate file "{tls}/tls.crt": No such file or directory')
    shutil.copy(tls / "other.crt", tls / "tls.crt")
    shutil.copy(tls / "other.key", tls / "tls.key")
    chown(tls)
    (tls / "tls.key").chmod(0o644)
    assert "group or world access" in (pod.start()[1] or "")
    (tls / "tls.key").chmod(0o600)
    assert pod.start() == (Outcome.OK, "")


def test_a_pod_that_was_made_without_tls_does_not_complain_of_a_configuration_with_it(new: Callable[..., Pod]) -> None:
    """When TLS is enabled for a release, its ConfigMap reaches the pods that are not replaced yet."""
    pod = new(HAPG_TLS="/nonexistent/tls")
    pod.start()
    pod.set("ssl = on\nssl_cert_file = '/nonexistent/tls/tls.crt'")
    with pytest.raises(OperationFailed, match="exit code 2"):
        pod.configure()
    pod.operator.run(Op.STOP)
    assert pod.start() == (Outcome.OK, None)


def test_data_that_is_damaged_is_no_reason_to_blame_the_configuration(pod: Pod) -> None:
    (pod.container.pgdata / "global" / "pg_control").write_bytes(bytes(8192))
    with pytest.raises(DataRefused):
        pod.configure()
