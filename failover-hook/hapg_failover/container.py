"""Wires the agent to the adapters of a pod."""

from __future__ import annotations

import faulthandler
import fcntl
import os
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from hapg_protocol.settings import WAL_VOLUME, SettingsError

from .adapters import beneath, projected, script
from .adapters.backup_container import BackupContainer
from .adapters.database_objects import SqlDatabaseObjects
from .adapters.declared_files import DECLARED, PASSWORDS, DeclaredFiles
from .adapters.kube.client import Kube
from .adapters.kube.connections import Requests, in_cluster
from .adapters.kube.removal import Removal
from .adapters.kube.scope import Scope
from .adapters.kube.watch import Watcher
from .adapters.live_source import DIRECTORY, LiveSource
from .adapters.log import Log
from .adapters.peers import PeerClient, PeerServer, peer_keys
from .adapters.ports.kubernetes import ApiError, ApiUnavailable
from .adapters.ports.runtime import Runtime
from .adapters.probes import Answers, Probes
from .adapters.secret import PROJECTED, SecretFiles, write_copy
from .adapters.sql import PostgresSql
from .adapters.supervisor import SupervisorFiles
from .adapters.threads import Threads
from .adapters.volume import Volume
from .agent import Adapters, Agent, OperationStuck
from .app_database import AppKeeper, prepare_secret
from .backup_link import BackupLink
from .credentials.roles import logins
from .declaration_keeper import DeclarationKeeper
from .inspection import Inspection
from .passwords import API_S, PasswordKeeper, first_passwords, random_entry
from .settings import Identity, Settings
from .settings import read as read_settings
from .wiping import InstalledAgain, Wipe
from .workers import Due

CONFIG_FOLDER = Path("/etc/hapg/config")
CONFIG = CONFIG_FOLDER / "failover.json"
SUPERVISOR = Path("/etc/hapg/supervisor")
RUN = Path("/run/hapg")
VOLUME = Path("/var/lib/postgresql/data")
SECRET_TRIES = 60
LOOK_S = 1.0
BACKUP_KEY = "BACKUP_KEY"
UNWATCHED = "the Role doesn't allow it, so changed values take effect once kubelet has updated the files, within a minute or so"
EX_SOFTWARE = 70
EX_CONFIG = 78


class SettingsFile:
    """The settings: checked once a second, re-read on change. If the new ones are invalid, the last good ones stay in effect.

    An unknown key is logged once and ignored.
    """

    def __init__(self, path: Path, log: Log, runtime: Runtime) -> None:
        """Read the settings. Raise SettingsError, OSError."""
        self._path = path
        self._log = log
        self._told: set[str] = set()
        self._stamp = self._look()
        self._settings = self._read()
        self._looks = Due(runtime, LOOK_S)
        self._looks.done()

    def __call__(self) -> Settings:
        """Return the current settings."""
        if not self._looks.is_due():
            return self._settings
        self._looks.done()
        try:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._settings = self._read()
                self._log("info", "settings", "the settings have changed")
        except (OSError, SettingsError) as error:
            self._log("error", "settings", str(error))
        return self._settings

    def _read(self) -> Settings:
        settings, unknown = read_settings(self._path.read_text())
        for sentence in unknown:
            if sentence not in self._told:
                self._log("warning", "settings", f"{sentence}; ignored, since a newer chart may have written it")
        self._told.update(unknown)
        return settings

    def _look(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns


def act(environment: Mapping[str, str]) -> int:
    """Run the agent of this pod, until a signal or a crash; return an exit code if the configuration is invalid."""
    trouble = script.trouble(SUPERVISOR)
    if trouble is not None:
        print(f"hapg_failover: {trouble}", file=sys.stderr)
        return EX_CONFIG
    try:
        identity = Identity.from_environment(environment)
        log, runtime = Log(identity.pod), Threads()
        log.take_over()
        settings = SettingsFile(CONFIG, log, runtime)
        now = settings()
        secret = SecretFiles(PROJECTED, RUN, (now.secret, now.replication_secret))
    except (OSError, ValueError) as error:
        print(f"hapg_failover: {error}", file=sys.stderr)
        return EX_CONFIG
    with beneath.directory(str(RUN)) as run:
        lock = beneath.open_or_create(run, "agent.lock", os.O_RDWR, f"{RUN}/agent.lock")
    fcntl.flock(lock, fcntl.LOCK_EX)
    _end_with_any_thread(log)
    wal_volume = environment.get(WAL_VOLUME)
    scope = Scope(identity.namespace, now.name, now.selector, now.label_role, identity.pod, identity.uid, now.profile.major)
    configuration, requests = in_cluster(), Requests()
    sql = PostgresSql(lambda: logins(secret.passwords, now.profile.replication_role), now.profile.sql_names, now.port)

    def keys() -> tuple[bytes, ...]:
        return peer_keys(secret.passwords)

    volume = Volume(VOLUME, now.profile.major, now.profile.wal_directory, Path(wal_volume) if wal_volume else None, identity.claim)
    adapters = Adapters(
        runtime,
        Kube(scope, configuration, requests),
        sql,
        SupervisorFiles(RUN),
        volume,
        PeerClient(keys, now.peer_port),
        lambda run, missing: Inspection(run, volume, missing),
        log,
        requests.counts,
        find_source=LiveSource(DIRECTORY, RUN, now.profile.major),
        archive=BackupContainer(RUN) if now.backup else None,
        projected=lambda: projected.entries(CONFIG_FOLDER),
    )
    agent = Agent(settings, identity, adapters)
    PasswordKeeper(secret, RUN, sql, now, agent.leads, agent.announce, log).begin(runtime)
    DeclarationKeeper(
        runtime,
        DeclaredFiles(DECLARED, PASSWORDS).look,
        SqlDatabaseObjects(sql),
        now.profile.authentication,
        agent.leads,
        agent.announce,
        agent.annotate,
        agent.not_applied,
        log.hide,
        log,
    ).begin()
    if now.app is not None:
        try:
            AppKeeper(now.app, PROJECTED, RUN, sql, adapters.kube, runtime, settings, agent.leads, agent.announce, log).begin(runtime)
        except ValueError as error:  # the pod is older than the value, and will be replaced
            log("warning", "app", str(error))
    if now.backup:
        BackupLink(RUN, runtime, lambda: agent.world.lease_uid, agent.leads, agent.announce, agent.annotate).begin()
    PeerServer(now.peer_port, keys, agent.asked_by_peer, agent.wal_for_peer).start()
    watcher = Watcher(scope, configuration, threading.Event(), requests)
    watcher.watch_lease(agent.lease_seen)
    watcher.watch_pods(agent.pod_seen)
    watcher.watch_configuration(agent.configuration_seen, lambda why: log("warning", "configuration", f"{why}: {UNWATCHED}"))
    Probes(now.http_port, Answers(agent.is_live, agent.readiness, agent.metrics, agent.refused)).start()
    log("info", "start", f"the agent of {identity.pod} starts")
    try:
        agent.run()
    except OperationStuck as stuck:
        log("error", "crash", str(stuck))
        log.flush(2.0)
        faulthandler.dump_traceback()
    return EX_SOFTWARE


def prepare(environment: Mapping[str, str]) -> int:
    """Prepare the pod for the other containers: install the supervisor's scripts and make sure that the Secrets exist."""
    try:
        script.install(SUPERVISOR)
    except OSError as error:
        print(f"hapg_failover prepare: {SUPERVISOR}: {error.strerror}", file=sys.stderr)
        return EX_SOFTWARE
    return ensure_secrets(environment)


def ensure_secrets(environment: Mapping[str, str]) -> int:
    """Create missing Secrets and leave their passwords for the agent; retry for a minute while the API is unavailable."""
    try:
        settings, _ = read_settings(CONFIG.read_text())
        namespace = environment["POD_NAMESPACE"]
    except (OSError, KeyError, SettingsError) as error:
        print(f"hapg_failover prepare: {error}", file=sys.stderr)
        return EX_CONFIG
    log = Log("prepare")
    log.take_over()
    kube = Kube(Scope(namespace, settings.name, settings.selector, settings.label_role), in_cluster())
    pause = threading.Event()
    try:
        for _ in range(SECRET_TRIES):
            try:
                write_copy(RUN, first_passwords(kube, settings, PROJECTED, log))
                if settings.backup:
                    kube.ensure_secret(settings.backup_secret, BACKUP_KEY, partial(random_entry, BACKUP_KEY), API_S)
                if settings.app is not None:
                    prepare_secret(kube, settings.app, settings.standby_mode == "hot", PROJECTED, RUN)
                return 0
            except ApiUnavailable as error:
                log("warning", "secret", str(error))
                pause.wait(1.0)
    except ValueError as error:
        log("error", "secret", str(error))
        return EX_CONFIG
    except (ApiError, OSError) as error:
        log("error", "secret", str(error))
    finally:
        log.flush(2.0)
    return EX_SOFTWARE


def wipe(environment: Mapping[str, str], release: str, selector: Mapping[str, str]) -> int:
    """Delete what `helm uninstall` has kept of a release. Without the rights to do so, end with one sentence."""

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        Wipe(Removal(environment["POD_NAMESPACE"], in_cluster()), say, time.sleep).run(release, selector)
    except InstalledAgain as error:
        print(f"hapg_failover wipe: {error}", file=sys.stderr)
        return EX_SOFTWARE
    except ApiError as error:
        print(f"hapg_failover wipe: {error}; `hapg wipe {release}` finishes the work", file=sys.stderr)
        return EX_SOFTWARE
    return 0


def _end_with_any_thread(log: Log) -> None:
    """End the process when any thread dies: an agent with a dead thread is worse than none, and it will be restarted."""

    def hook(arguments: threading.ExceptHookArgs) -> None:
        name = arguments.thread.name if arguments.thread else "?"
        log("error", "crash", f"{arguments.exc_type.__name__}: {arguments.exc_value}", thread=name)
        threading.__excepthook__(arguments)
        log.flush(2.0)
        os._exit(EX_SOFTWARE)

    threading.excepthook = hook
