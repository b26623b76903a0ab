"""Parsing of a spec, and every message that refuses one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import yaml

from hapg.errors import InputError
from hapg.spec import parser
from hapg.spec.version_profiles import PROFILES
from tests.unit.generator.conftest import HOT, WARM

VERSIONS = '"9.6", "12", "13", "14", "15", "16", "17", "18", "19", or a release of one, such as "15.4"'
EXAMPLES = Path(__file__).parents[3] / "values-examples" / "specs"


NAMES = "lower case letters, digits and hyphens, a letter first, at most 52 characters, and not a word such as on or null"
TODAY = dt.date(2026, 6, 1)


def parse(text: str | bytes) -> parser.Spec:
    return parser.parse(text if isinstance(text, bytes) else text.encode(), "pg.yaml", today=TODAY)


def advised(text: str) -> dict[str, str]:
    """The advice on a spec: id to sentence."""
    return {piece.id: f"{piece.place}: {piece.text}" for piece in parse(text).advice}


def refusals(text: str | bytes) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(text)
    return list(caught.value.problems)


def changed(**keys: object) -> str:
    """The page's first object with other keys in its spec; None takes one away."""
    document = yaml.safe_load(WARM)
    for key, value in keys.items():
        if value is None:
            del document["spec"][key]
        else:
            document["spec"][key] = value
    return yaml.safe_dump(document)


def test_the_pages_warm_object() -> None:
    found = parse(WARM)
    assert (found.name, found.profile.major) == ("ha-postgres", "15")
    assert found.defaults == {
        "replicas": 3,
        "standbyMode": "warm",
        "storage.storageClassName": "standard",
        "storage.accessModes": ["ReadWriteOnce"],
        "storage.resources.requests.storage": "50Mi",
    }


def test_the_pages_hot_object() -> None:
    found = parse(HOT)
    assert found.name == "hot-postgres"
    assert found.defaults["standbyMode"] == "hot"


@pytest.mark.parametrize("mode", ["synchronous", "Synchronous"])
def test_the_mode_of_streaming_is_that_of_replication(mode: str) -> None:
    assert parse(changed(streamingMode=mode)).defaults["replication.mode"] == "synchronous"


@pytest.mark.parametrize(("written", "mode"), [("Hot", "hot"), ("Warm", "warm"), ("hot", "hot")])
def test_the_standby_mode_in_both_spellings_of_kubedb(written: str, mode: str) -> None:
    assert parse(changed(standbyMode=written)).defaults["standbyMode"] == mode


@pytest.mark.parametrize(("name", "text"), [("ha-postgres", WARM), ("hot-postgres", HOT)])
def test_the_shipped_specs_are_the_pages(name: str, text: str) -> None:
    assert (EXAMPLES / f"{name}.yaml").read_text() == text


def test_the_short_form_is_the_spec_alone() -> None:
    short = yaml.safe_dump({"name": "ha-postgres", **yaml.safe_load(WARM)["spec"]})
    found, whole = parse(short), parse(WARM)
    assert (found.name, found.profile, found.defaults) == (whole.name, whole.profile, whole.defaults)


def test_the_short_form_needs_no_name() -> None:
    assert parse('version: "15"').name == "ha-postgres"


def test_what_is_left_out_is_what_kubedb_takes() -> None:
    assert parse('version: "15"').defaults == {"replicas": 1, "standbyMode": "warm", "storage": None}


@pytest.mark.parametrize(
    ("version", "major", "tag"),
    [
        ("15", "15", None),
        ('"18"', "18", None),
        ('"19"', "19", None),
        ("9.6", "9.6", None),
        ('"9.6"', "9.6", None),
        ("9.6.24", "9.6", "9.6.24"),
        ('"16.4"', "16", "16.4"),
        ('"12.22"', "12", "12.22"),
    ],
)
def test_a_version_is_a_major_or_a_release_of_it(version: str, major: str, tag: str | None) -> None:
    """Without quotes too, where no digit is lost; a release is the image's tag."""
    found = parse(f"version: {version}")
    assert (found.profile.major, found.defaults.get("image.tag")) == (major, tag)


def test_all_that_is_mapped() -> None:
    term = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    content = {
        "nodeSelector": {"disk": "ssd"},
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}},
        "schedulerName": "volcano",
        "imagePullSecrets": [{"name": "registry"}],
    }
    found = parse(changed(databaseSecret={"secretName": "own"}, **content)).defaults
    assert found["databaseSecret.secretName"] == "own"
    assert {key: found[key] for key in content} == content


def test_monitoring_is_mapped() -> None:
    prometheus = {"namespace": "monitoring", "labels": {"app": "kubedb"}, "interval": "10s", "port": 56790}
    found = parse(changed(monitor={"agent": "prometheus.io/coreos-operator", "prometheus": prometheus})).defaults
    assert {key: value for key, value in found.items() if key.startswith("monitor.")} == {
        "monitor.agent": "prometheus.io/coreos-operator",
        "monitor.prometheus.namespace": "monitoring",
        "monitor.prometheus.labels": {"app": "kubedb"},
        "monitor.prometheus.interval": "10s",
        "monitor.prometheus.port": 56790,
    }
    assert parse(changed(monitor={"agent": "prometheus.io/builtin"})).defaults["monitor.agent"] == "prometheus.io/builtin"


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ({"configMap": {"name": "scripts"}}, {"initdb.scriptsConfigMap": "scripts"}),
        ({"secret": {"secretName": "hidden"}}, {"initdb.scriptsSecret": "hidden"}),
        (
            {"configMap": {"name": "scripts"}, "secret": {"secretName": "hidden"}},
            {"initdb.scriptsConfigMap": "scripts", "initdb.scriptsSecret": "hidden"},
        ),
    ],
)
def test_scripts_of_the_first_server_are_mapped(source: dict[str, object], values: dict[str, str]) -> None:
    found = parse(changed(init={"scriptSource": source})).defaults
    assert {key: value for key, value in found.items() if key.startswith("initdb.")} == values


def test_what_says_what_is_so_anyway_is_taken() -> None:
    plain = parse(WARM).defaults
    assert parse(changed(doNotPause=False, streamingMode="asynchronous", init={})).defaults == plain


def test_a_protected_object_stays_protected() -> None:
    assert parse(changed(doNotPause=True)).defaults == {**parse(WARM).defaults, "doNotPause": True}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (changed(standbyMod="hot"), "spec.standbyMod: unknown key; did you mean standbyMode?"),
        (changed(replicas=0), "spec.replicas: 0 is not allowed; an integer from 1 to 9"),
        (changed(replicas=10), "spec.replicas: 10 is not allowed; an integer from 1 to 9"),
        (changed(replicas="3"), 'spec.replicas: "3" is not allowed; an integer from 1 to 9'),
        (changed(replicas=True), "spec.replicas: true is not allowed; an integer from 1 to 9"),
        (changed(standbyMode="luke"), 'spec.standbyMode: "luke" is not allowed; warm or hot or Warm or Hot'),
        (
            changed(storage={"resources": {"requests": {"storage": "50 Mb"}}}),
            'spec.storage.resources.requests.storage: "50 Mb" is not a quantity above 0; e.g. 50Mi, 10Gi',
        ),
        (
            changed(storage={"resources": {"requests": {"storage": 0}}}),
            "spec.storage.resources.requests.storage: 0 is not a quantity above 0; e.g. 50Mi, 10Gi",
        ),
        (
            changed(storage={"resources": {"requests": {"storage": "010"}}}),
            'spec.storage.resources.requests.storage: "010" is not a quantity above 0; e.g. 50Mi, 10Gi',
        ),
        (
            changed(storage={"resources": {"requests": {"storage": 50}}}),
            "spec.storage.resources.requests.storage: 50 is less than 1Mi; add its unit, such as Gi",
        ),
        (
            changed(storage={"resources": {"requests": {"storage": "8Ei"}}}),
            "spec.storage.resources.requests.storage: 8Ei is more than Kubernetes can count, which is less than 8Ei",
        ),
        (
            changed(resources={"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}),
            "spec.resources.requests.memory: 2Gi is more than the limit, 1Gi",
        ),
        (changed(storage={}), "spec.storage.resources: missing; a mapping"),
        (
            changed(storage={"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}}),
            'spec.storage.accessModes[0]: "ReadOnlyMany" is not allowed; ReadWriteOncePod or ReadWriteOnce: with any other mode, servers '
            "on several nodes could open one volume, or none could write to it",
        ),
        (
            changed(storage={"accessModes": ["ReadWriteOnce", "ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}),
            'spec.storage.accessModes[1]: "ReadWriteMany" is not allowed; ReadWriteOncePod or ReadWriteOnce: with any other mode, servers '
            "on several nodes could open one volume, or none could write to it",
        ),
        *(
            (changed(version=version), f"spec.version: {shown} is not a supported version; allowed are {VERSIONS}")
            for version, shown in [("11", '"11"'), ("20", '"20"'), ("9.5", '"9.5"'), ("9", '"9"'), ("9.6-v2", '"9.6-v2"'), (11, "11")]
        ),
        (changed(version="15.4.2"), f'spec.version: "15.4.2" is not a supported version; allowed are {VERSIONS}'),
        (
            changed(version=16.1),
            'spec.version: 16.1 is a number, and as numbers 16.1 and 16.10 are the same; quote it: "16.1"',
        ),
        (changed(version=True), "spec.version: true is not allowed; a string or a number"),
        (changed(version=None), "spec.version: missing; a string or a number"),
        (changed(version=[15]), "spec.version: [15] is not allowed; a string or a number"),
        (changed(archiver={}), "spec.archiver.storage: missing; a mapping"),
        (
            changed(streamingMode="sync"),
            'spec.streamingMode: "sync" is not allowed; asynchronous or synchronous or Asynchronous or Synchronous',
        ),
        (
            changed(streamingMode="synchronous", replicas=1),
            "spec.streamingMode: synchronous needs a standby, but replicas is 1; set replicas to at least 2, or remove it",
        ),
        (changed(doNotPause="yes"), 'spec.doNotPause: "yes" is not allowed; true or false'),
        (
            changed(init={"scriptSource": {"scriptPath": "/scripts", "configMap": {"name": "scripts"}}}),
            "spec.init.scriptSource.scriptPath: all files of the ConfigMap or Secret are run; remove it",
        ),
        (
            changed(init={"scriptSource": {"gitRepo": {"repository": "https://git.example.com/x.git"}}}),
            "spec.init.scriptSource.gitRepo: scripts come from a ConfigMap or a Secret; remove it and name one in configMap or secret",
        ),
        (changed(init={"scriptSource": {}}), "spec.init.scriptSource: {} names no scripts; configMap or secret is expected"),
        (changed(init={"scriptSource": {"secret": {"name": "x"}}}), "spec.init.scriptSource.secret.secretName: missing; a string"),
        (
            changed(env=[{"name": "TZ", "value": "UTC"}]),
            "spec.env: the chart sets the environment; remove it and use the chart's values postgresql.parameters for settings, "
            "initdb.args for a new database, and extraEnv for the rest",
        ),
        (
            changed(configSource={"configMap": {"name": "x"}}),
            "spec.configSource: a configuration file can't be checked for the settings that failover depends on; remove it and use the "
            "chart's values postgresql.parameters and postgresql.pgHba",
        ),
        (changed(monitor={}), "spec.monitor.agent: missing; prometheus.io/builtin or prometheus.io/coreos-operator"),
        (
            changed(monitor={"agent": "coreos-prometheus-operator"}),
            'spec.monitor.agent: "coreos-prometheus-operator" is not allowed; prometheus.io/builtin or prometheus.io/coreos-operator',
        ),
        (
            changed(monitor={"agent": "prometheus.io/builtin", "prometheus": {"interval": "often"}}),
            'spec.monitor.prometheus.interval: "often" is not a duration; e.g. 30s, 1m30s',
        ),
        (changed(resources={"requests": {"memory": "1 GB"}}), 'spec.resources.requests.memory: "1 GB" is not a quantity; e.g. 50Mi, 10Gi'),
        (changed(databaseSecret={"name": "x", "secretName": "x"}), "spec.databaseSecret.name: unknown key; allowed are secretName"),
        (changed(tolerations=[{"kee": "x"}]), "spec.tolerations[0].kee: unknown key; did you mean key?"),
        (WARM.replace("v1alpha1", "v1"), "pg.yaml:1: a Postgres object of KubeDB (kubedb.com/v1); `hapg migrate pg.yaml` translates it"),
        (WARM.replace("kind: Postgres", "kind: MySQL"), 'kind: "MySQL" is not allowed; Postgres'),
        (
            WARM.replace("name: ha-postgres", "name: HA_Postgres"),
            'metadata.name: "HA_Postgres" is not a valid name; ' + NAMES,
        ),
        (
            WARM.replace("name: ha-postgres", 'name: "ha-postgres\\n"'),
            'metadata.name: "ha-postgres\\n" is not a valid name; ' + NAMES,
        ),
        (WARM.replace("name: ha-postgres", "nam: ha-postgres"), "metadata.nam: unknown key; did you mean name?"),
        ('version: "15"\nname: 7', "name: 7 is not a valid name; " + NAMES),
        ('version: "15"\nname: "on"', 'name: "on" is not a valid name; ' + NAMES),
        (
            changed(nodeSelector={"disk": "ssd ", "zone": "a"}),
            'spec.nodeSelector.disk: "ssd " is not a label value; at most 63 letters, digits and -_., a letter or digit at both ends',
        ),
        (
            changed(databaseSecret={"secretName": "My Secret"}),
            'spec.databaseSecret.secretName: "My Secret" is not a valid Kubernetes name; lower case letters, digits, hyphens and dots, '
            "a letter or digit at both ends",
        ),
        (
            changed(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}}]}}),
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: missing; "
            "a string that is not empty",
        ),
        ("replica: 3\nversion: '15'", "replica: unknown key; did you mean replicas?"),
        ("spec:\n  version: '15'", "apiVersion: missing; kubedb.com/v1alpha1"),
        ("apiVersion: kubedb.com/v1alpha1\nkind: Postgres\nmetadata: {name: x}\nspec:\n", "spec: null is not allowed; a mapping"),
    ],
)
def test_refused(text: str, sentence: str) -> None:
    assert sentence in refusals(text)


def test_a_key_like_no_other_is_answered_with_the_allowed_ones_if_they_are_few() -> None:
    assert refusals(changed(qqqq=1)) == ["spec.qqqq: unknown key"]
    assert refusals(changed(databaseSecret={"qqqq": "x", "secretName": "x"})) == [
        "spec.databaseSecret.qqqq: unknown key; allowed are secretName"
    ]


def test_a_key_that_is_refused_itself_is_not_offered() -> None:
    assert refusals(changed(podTemplat={})) == ["spec.podTemplat: unknown key"]
    assert refusals(changed(serviceTemplat={})) == ["spec.serviceTemplat: unknown key"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert refusals(changed(replicas=0, standbyMod="hot", version="10")) == [
        "spec.replicas: 0 is not allowed; an integer from 1 to 9",
        "spec.standbyMod: unknown key; did you mean standbyMode?",
        f'spec.version: "10" is not a supported version; allowed are {VERSIONS}',
    ]


def test_a_volume_smaller_than_the_wal_that_is_kept() -> None:
    assert advised(WARM)["small-volume"] == (
        "spec.storage.resources.requests.storage: 50Mi is less than the 512 MB of past WAL that are kept for replicas; "
        "the volume fills up if its size is enforced"
    )
    assert "small-volume" not in advised(WARM.replace("50Mi", "8Gi"))


def test_no_volume() -> None:
    assert advised('version: "15"')["ephemeral"] == "storage: not set, so data is kept in an emptyDir and lost with its pod"


def test_two_servers_of_which_one_waits_for_the_other() -> None:
    assert advised(changed(replicas=2, streamingMode="synchronous"))["synchronous-pair"] == (
        "spec.replicas: 2 in synchronous mode: writes wait while the only standby is down; use 3, or set the value "
        "replication.synchronousPolicy=preferred"
    )
    assert "synchronous-pair" not in advised(changed(replicas=2))
    assert "synchronous-pair" not in advised(changed(replicas=3, streamingMode="synchronous"))


def test_no_resources() -> None:
    assert advised(WARM)["no-resources"] == (
        "spec.resources: not set, so the chart's small requests apply; set the CPU and memory that the servers need"
    )
    assert "no-resources" not in advised(changed(resources={"requests": {"memory": "2Gi"}}))


def test_a_major_without_fixes() -> None:
    def on(day: dt.date) -> list[str]:
        return [str(piece) for piece in parser.parse(WARM.encode(), "pg.yaml", today=day).advice if piece.id == "end-of-life"]

    last = PROFILES["15"].end_of_life
    assert on(last - dt.timedelta(days=1)) == []
    assert on(last) == ["spec.version: PostgreSQL 15 has had no fixes since 2027-11-11; plan the move to a newer major [end-of-life]"]
