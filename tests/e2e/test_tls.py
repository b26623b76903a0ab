"""TLS in a running release: allowed, then required, then with a new certificate. The tests depend
on each other, in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.fixtures import Cluster
from tests.robustness import programs
from tests.robustness.certificates import Authority
from tests.robustness.programs import Done
from tests.robustness.release import CHART, VALUES, Release, identities

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(500)]

ROLL_SECONDS = 300.0
PROJECTION_SECONDS = 180.0
SECRET = "own-tls"
TOLD_SECONDS = 60.0
REFUSED = "no encryption"
END_STREAMS = "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"
EXPIRED = "certificate verify failed"
OVER_TLS = "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE state = 'streaming' AND ssl"


@dataclass(frozen=True)
class Encrypted:
    """A release with TLS, its name for clients, and the authority of its certificate."""

    release: Release
    authority: Authority
    folder: Path

    @property
    def host(self) -> str:
        """The address that clients connect to."""
        return f"{self.release.name}.{self.release.namespace.name}"

    def ask(self, mode: str, authority: Authority | None = None, host: str | None = None) -> Done:
        """Connect with libpq's sslmode, trusting only one authority (by default its own)."""
        certificate = (authority or self.authority).certificate
        setup = f"cat > /tmp/ca.crt <<'END'\n{certificate}END\nexport PGSSLMODE={mode} PGSSLROOTCERT=/tmp/ca.crt"
        return self.release.client.try_psql("SELECT 'connected'", host=host, setup=setup, options="-qAt")

    def streams_over_tls(self) -> bool:
        """True if all standbys stream, each of them over TLS."""
        return bool(self.release.at_full_strength()) and self.release.client.sql(OVER_TLS) == [[str(self.release.replicas - 1)]]


@pytest.fixture(scope="module")
def encrypted(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    """A release whose servers allow TLS, at full strength."""
    folder = tmp_path_factory.mktemp("certificates")
    with programs.namespace("e2e-tls") as namespace:
        release = Release(namespace)
        made = Encrypted(release, Authority(folder, "first"), folder)
        namespace.apply(made.authority.secret(SECRET, made.host))
        release.install(CHART, "--values", str(VALUES), "--set", f"standbyMode=hot,tls.mode=allow,tls.secretName={SECRET}")
        release.settle()
        yield made


def test_allowed_means_with_and_without(encrypted: Encrypted) -> None:
    assert encrypted.ask("verify-full").out == "connected\n"
    assert encrypted.ask("disable").out == "connected\n"
    assert encrypted.streams_over_tls()


def test_it_becomes_required_while_the_release_runs(encrypted: Encrypted) -> None:
    release = encrypted.release
    release.client.sql("CREATE TABLE kept AS SELECT 1 AS number")
    before = {pod.uid for pod in release.pods()}
    release.upgrade("--set", "tls.mode=require")

    def all_are_new() -> bool:
        return not before & {pod.uid for pod in release.pods()} and encrypted.streams_over_tls()

    release.wait("all have restarted and stream over TLS", all_are_new, ROLL_SECONDS)
    assert release.client.sql("SELECT number FROM kept") == [["1"]]


def test_without_tls_every_server_refuses(encrypted: Encrypted) -> None:
    assert encrypted.ask("verify-full").out == "connected\n"
    for pod in encrypted.release.pods():
        refused = encrypted.ask("disable", host=pod.ip)
        assert refused.code != 0
        assert REFUSED in refused.err
        assert encrypted.ask("verify-ca", host=pod.ip).out == "connected\n"


def test_members_check_the_certificate(encrypted: Encrypted) -> None:
    standby = encrypted.release.standbys()[0].name
    settings = encrypted.release.inside(standby, "cat", "/run/hapg/conf/instance.conf")
    assert "sslmode=verify-ca sslrootcert=/etc/hapg/tls/ca.crt" in settings


def test_a_failover_works(encrypted: Encrypted) -> None:
    release = encrypted.release
    release.fail_over()
    release.wait("all stream over TLS", encrypted.streams_over_tls, 30)
    assert release.client.sql("SELECT number FROM kept") == [["1"]]


@pytest.mark.thorough
def test_the_volume_of_a_standby_is_cloned_over_tls(encrypted: Encrypted) -> None:
    release = encrypted.release
    lost = release.standbys()[-1]
    release.lose(lost, "data")
    release.wait_replaced(lost)
    release.wait("all stream over TLS", encrypted.streams_over_tls, 30)


@pytest.mark.thorough
def test_replicas_that_meet_an_expired_certificate_say_so(encrypted: Encrypted) -> None:
    release = encrypted.release
    primary = release.primary()
    release.namespace.apply(encrypted.authority.secret(SECRET, encrypted.host, expired=True))
    release.look_again()
    release.wait("the primary shows it", lambda: EXPIRED in encrypted.ask("verify-ca", host=primary.ip).err, PROJECTION_SECONDS)
    release.run_inside(primary, END_STREAMS)
    standbys = {pod.name for pod in release.standbys()}

    def told() -> set[str]:
        return {event.about for event in release.events("reason=NotFollowing") if EXPIRED in event.message}

    release.wait("both say why they don't stream", lambda: told() == standbys, TOLD_SECONDS)
    assert release.primary() == primary
    release.namespace.apply(encrypted.authority.secret(SECRET, encrypted.host))
    release.look_again()
    release.wait("they stream again", encrypted.streams_over_tls, PROJECTION_SECONDS)


@pytest.mark.thorough
def test_another_certificate_takes_force_without_a_restart(encrypted: Encrypted) -> None:
    release = encrypted.release
    before = identities(release.pods())
    other = Authority(encrypted.folder, "second")
    addresses = [pod.ip for pod in release.pods()]
    assert {encrypted.ask("verify-ca", other, host).code for host in addresses} != {0}
    release.namespace.apply(other.secret(SECRET, encrypted.host, encrypted.authority))
    release.look_again()
    release.wait(
        "every server has the new certificate",
        lambda: all(encrypted.ask("verify-ca", other, host).out == "connected\n" for host in addresses),
        PROJECTION_SECONDS,
    )
    assert encrypted.ask("verify-full", other).out == "connected\n"
    release.client.sql(END_STREAMS)
    release.wait("the standbys trust it too", encrypted.streams_over_tls, 60)
    assert identities(release.pods()) == before
