"""hapg backup: list the backups of a release, take one, or check the archive."""

from __future__ import annotations

import argparse
import json
import time

from hapg.exits import DONE
from hapg.operate import archiver, backup_requests, backups, waiting
from hapg.operate import arguments as common
from hapg.operate.kubectl import Cluster
from hapg.operate.release import OperateError, Release
from hapg_protocol.model import Pod

_VERBS = {
    "list": "show the backups, and how far WAL is archived",
    "now": "take a backup and wait for its end",
    "check": "have the current WAL archived, and look for missing WAL",
    "verify": "read and check every file of the repository; a restore is verified by the CronJob of backup.verify.schedule",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="verb")
    for name, text in _VERBS.items():
        verb = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        common.add_release(verb)
        verb.add_argument("-o", "--output", choices=("table", "json"), default="table", help="output format (default: table)")
        verb.set_defaults(run=run)
        if name == "now":
            verb.add_argument(
                "--type",
                choices=backups.TYPES,
                default="incr",
                help="full: everything; diff: what has changed since the last full backup; incr (default): what has changed since the last "
                "backup. The first backup is always full",
            )


def run(options: argparse.Namespace) -> int:
    """Send the request, print its output as it comes to standard error and the result to standard output."""
    cluster = common.cluster(options)
    release = waiting.look(cluster, common.named(cluster, options))
    archiver.repository(cluster, release.name)
    pod = _any_pod(release) if options.verb == "list" else backup_requests.primary(release)
    if options.verb != "list":
        _carry_out(cluster, pod, options.type if options.verb == "now" else options.verb)
    found = backup_requests.info(cluster, pod)
    if options.output == "json":
        print(json.dumps(found.document, indent=2))
    elif options.verb == "now" and found.backups:
        print(f"backup {found.backups[-1].label} is done")
    elif options.verb in ("check", "verify"):
        print(f"{found.stanza}: no WAL is missing, and the last archived segment is {found.last}")
    else:
        print(backups.table(found, pod.name, time.time()))
    return DONE


def _carry_out(cluster: Cluster, pod: Pod, request: str) -> None:
    waiting.say(f"asked {pod.name}")
    answer = backup_requests.ask(cluster, pod, request, waiting.say, None)
    if answer.code:
        raise OperateError(f"{request} on {pod.name}: {backups.failure(answer.code, answer.last)}")


def _any_pod(release: Release) -> Pod:
    """Return the primary's pod, or without one the first that is ready."""
    if release.held and release.holder is not None:
        return release.holder
    pods = [pod for pod in release.pods if not pod.deleting]
    if not pods:
        raise OperateError(f"{release.name} has no pods, so nobody can look into its archive; see `hapg status`")
    return next((pod for pod in pods if pod.ready), pods[0])
