"""Conversions that several systems need."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hapg.migrate.rules import Convert, NoCounterpart, Outcome, Place, Rule, Said, change, filled, same
from hapg.migrate.walk import is_below
from hapg.spec import error_messages, restrictions
from hapg.spec.exported import FILLED_ANNOTATIONS, FILLED_METADATA
from hapg.spec.schema import of_spec
from hapg.spec.version_profiles import PROFILES, USUAL

_VERSION = re.compile(r"(?<![0-9.])(9\.[0-9]|[1-9][0-9])(?:\.[0-9]+)*(?![0-9])")
_IMAGE_TAG = re.compile(r":([^:/@]+)$")
_OLDEST_IMPORTED = 9.6
_LONGEST_NAME = 52
_OF_IMAGE = ("log_directory", "log_filename", "logging_collector", "log_destination", "stats_temp_directory", "krb_server_keyfile")
_LIBRARIES = ("auth_delay", "auto_explain", "passwordcheck", "pg_prewarm", "pg_stat_statements")
"""The libraries of the stock image that are meant to be preloaded."""

_OF_TOOLS = ("app.kubernetes.io/", "helm.sh/", "meta.helm.sh/", "kubedb.com/", "argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/")


@dataclass(frozen=True)
class Version:
    """Which major the chart is of. said: what the input says, "" if nothing; major: a supported one."""

    said: str
    major: str

    @property
    def text(self) -> str:
        """How the chart's major follows from what is said."""
        if not self.said:
            return f"the input doesn't say which major it is; PostgreSQL {self.major} can import from all up to it"
        if self.said != self.major and float(self.said) < _OLDEST_IMPORTED:
            return f"there is no chart of PostgreSQL {self.said}, and none can import from it; {self.major} is the oldest that there is"
        if self.said != self.major:
            return f"there is no chart of PostgreSQL {self.said}; {self.major} is the next that there is, and can import from it"
        return f"the major alone: the image is postgres:{self.major}, in its newest minor"


def version(said: object) -> Version:
    """Return the version that a text such as `16.4-bookworm`, or an image's tag, means."""
    text = str(said or "").partition("@")[0]
    tag = _IMAGE_TAG.search(text)
    found = _VERSION.search(tag[1] if tag else "" if "/" in text else text)
    if found is None:
        return Version("", USUAL)
    later = [major for major in PROFILES if float(major) >= float(found[1])]
    return Version(found[1], later[0] if later else list(PROFILES)[-1])


def major(value: Any, place: Place) -> Said:
    """Return the chart's major, for the field from which `version` has found it."""
    if str(value) == place.major:
        return Said({"spec:version": place.major}, "", Outcome.TAKEN)
    return Said({"spec:version": place.major}, version(value).text)


def release_name(name: str) -> str:
    """Return a name that a chart and a release can have: `name` itself if it is one."""
    if not _name_problems(name):
        return name
    usable = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    return usable if not _name_problems(usable) else f"pg-{usable}"[:_LONGEST_NAME].strip("-")


def _name_problems(name: str) -> list[str]:
    return error_messages.problems(of_spec()["definitions"]["name"], name)


def metadata(operator: str) -> tuple[Rule, ...]:
    """Return the rules for an object's metadata. operator: the domain of the labels and annotations that the operator sets itself."""
    return (
        filled("apiVersion"),
        filled("kind"),
        *(filled(f"metadata.{key}") for key in FILLED_METADATA),
        change("metadata.name", "", _named, "the name of chart and release"),
        change("metadata.namespace", "", lambda *_: None, "the spec's metadata.namespace; helm's --namespace decides"),
        change("metadata.labels.*", "commonLabels.*", foreign_key(operator), "on all objects of the release except pods and claims", True),
        change("metadata.annotations.*", "commonAnnotations.*", foreign_key(operator), "on all objects of the release but pods and claims"),
        filled("status"),
    )


def _named(value: Any, place: Place) -> Said:
    kept = place.name == value
    return Said({}, "the name of chart and release" if kept else f"the release is called {place.name}")


def foreign_key(operator: str) -> Convert:
    """Return a conversion of a label or annotation. operator: the domain of those that the operator sets itself."""

    def convert(value: Any, place: Place) -> Any:
        if place.key in FILLED_ANNOTATIONS:
            return Said({}, "", Outcome.FILLED)
        if place.key.startswith(_OF_TOOLS) or operator in place.key.partition("/")[0]:
            raise NoCounterpart("set by a tool or the operator, and only means something to it")
        return value

    return convert


def choice(of: Mapping[Any, Any], otherwise: str) -> Convert:
    """Return a conversion by a table. otherwise: why another value has no counterpart."""

    def convert(value: Any, _place: Place) -> Any:
        if value not in of:
            raise NoCounterpart(otherwise)
        return of[value]

    return convert


def implied(wanted: Any, text: str) -> Convert:
    """Return a conversion for a field whose value `wanted` is what the chart always does. text: why another one isn't possible."""

    def convert(value: Any, _place: Place) -> None:
        if value != wanted:
            raise NoCounterpart(text)

    return convert


def reference(value: Any, _place: Place) -> Any:
    """Return the pull secret, a name or an object, as an object."""
    return {"name": value} if isinstance(value, str) else value


def quantity_of_megabytes(value: Any, _place: Place) -> str:
    """Return a number of megabytes as PostgreSQL writes it."""
    return f"{value}MB"


def parameter(value: Any, place: Place) -> Any:
    """Return a setting of postgresql.conf. What belongs to the archive, to TLS or to the files of another image has no counterpart."""
    name, least = place.key, PROFILES[place.major].least.get(place.key)
    if isinstance(value, (dict, list)):
        raise NoCounterpart("not one value")
    if name in restrictions.ARCHIVER_SETS:
        raise NoCounterpart("the value archiver.type sets how WAL is archived")
    if name == "ssl" or (name.startswith("ssl_") and name.endswith(("_file", "_dir"))):
        raise NoCounterpart("the values tls.* set certificates")
    if name in _OF_IMAGE:
        raise NoCounterpart("it names a place in the old image; logs go to the container's log")
    if name == "shared_preload_libraries":
        return libraries(value, place)
    if least is not None and str(value).isdigit() and int(value) < least:
        raise NoCounterpart(f"PostgreSQL {place.major} needs at least {least} with the chart's other settings")
    return value


def libraries(value: Any, _place: Place) -> Said:
    """Return the preloaded libraries that the stock image has; value: a list, or a text with commas."""
    names = [str(each).strip() for each in (value if isinstance(value, list) else str(value).split(","))]
    kept, missing = [name for name in names if name in _LIBRARIES], [name for name in names if name and name not in _LIBRARIES]
    text = f"the stock image has no {', '.join(missing)}; for them set image.* to an image with them" if missing else ""
    if not kept:
        raise NoCounterpart(text or "empty")
    return Said({"postgresql.parameters.shared_preload_libraries": ",".join(kept)}, text)


ONLY_TLS = "`hostssl` fits connections over TLS alone, so it admits nobody unless tls.mode is allow or require"


def host_line(value: Any, _place: Place) -> Any:
    """Return a line of pg_hba.conf. Only those for hosts are the user's."""
    line = str(value).strip()
    if not line.startswith("host"):
        raise NoCounterpart("only lines for hosts can be set; on the pods' own socket everybody is `postgres`")
    return Said({"postgresql.pgHba[]": line}, ONLY_TLS) if line.split()[0] == "hostssl" else line


def record(to: str, fields: Mapping[str, str], text: str) -> Convert:
    """Return a conversion of a mapping with a name by a table of its keys to ours. to: our list; text: for the report."""

    def convert(value: Any, place: Place) -> Said:
        ours = {fields[key]: each for key, each in value.items() if key in fields}
        declared_name(ours["name"], place)
        left = [key for key in value if key not in fields and not is_below((*place.path, key), place.done)]
        return Said({to: ours}, text, left=left)

    return convert


def declared_name(value: Any, _place: Place) -> Any:
    """Return the name of a role or database that the values may declare."""
    if value in restrictions.RESERVED_NAMES or str(value).startswith(("pg_", "ha_postgres_")):
        raise NoCounterpart(f"{value} is reserved by PostgreSQL or the chart, which makes what it needs")
    return value


def environment(value: Any, _place: Place) -> Any:
    """Return an environment variable of the server's container."""
    if str(value["name"]).startswith(("POD_", "HAPG_", "PG", "POSTGRES_")):
        raise NoCounterpart("the chart sets such variables itself")
    return value


def synchronous_mode(prefix: str) -> tuple[Rule, ...]:
    """Return the rules for Patroni's synchronous replication."""
    return (
        change(f"{prefix}.synchronous_mode", "", _synchronous, ""),
        change(f"{prefix}.synchronous_mode_strict", "", lambda *_: None, "with synchronous_mode, replication.synchronousPolicy"),
        same(f"{prefix}.synchronous_node_count", "replication.minSyncReplicas"),
    )


def _synchronous(value: Any, place: Place) -> Said:
    said = str(value).lower()
    if said in ("false", "off"):
        return Said({}, "asynchronous, as without it")
    if said not in ("true", "on", "quorum"):
        raise NoCounterpart("set replication.mode and replication.synchronousPolicy")
    policy = "strict" if str(place.above().get("synchronous_mode_strict")).lower() in ("true", "on") else "preferred"
    return Said({"replication.mode": "synchronous", "replication.synchronousPolicy": policy}, "with synchronous_mode_strict as the policy")


def initdb_option(option: str) -> Convert:
    """Return a conversion to an option of initdb."""
    return lambda value, _place: f"--{option}={value}"


def checksums(value: Any, _place: Place) -> None:
    """Return nothing for checksums, which a new database always has."""
    if str(value).lower() not in ("true", "on"):
        raise NoCounterpart("a new database always has checksums")


def bucket(url: Any, _place: Place) -> dict[Any, Any]:
    """Return the values of an archive at a URL such as s3://bucket/folder."""
    match = re.fullmatch(r"(s3|gs)://([^/]+)(/.+)?", str(url).rstrip("/"))
    if match is None:
        raise NoCounterpart("not a URL such as s3://BUCKET/FOLDER; set archiver.*")
    found: dict[Any, Any] = {"archiver.type": "s3" if match[1] == "s3" else "gcs", "archiver.bucket": match[2]}
    return found | ({"archiver.path": match[3]} if match[3] else {})


def endpoint(url: Any, _place: Place) -> Said:
    """Return the values for the endpoint of an S3 server."""
    host = str(url).removeprefix("https://").rstrip("/")
    if host.startswith("http://"):
        raise NoCounterpart("an endpoint must speak TLS; set archiver.endpoint")
    style = {} if host.endswith(".amazonaws.com") else {"archiver.uriStyle": "path"}
    return Said({"archiver.endpoint": host, **style}, "without https://")
