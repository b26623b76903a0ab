"""A spec as it is read, and every sentence with which one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hapg import spec
from hapg.errors import InputError
from tests.unit.generator.conftest import HOT, WARM

VERSIONS = '"9.6", "12", "13", "14", "15", "16", "17", "18", or a release of one, such as "15.4"'
EXAMPLES = Path(__file__).parents[3] / "values-examples" / "specs"


def parse(text: str | bytes) -> spec.Spec:
    return spec.parse(text if isinstance(text, bytes) else text.encode(), "pg.yaml")


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
    assert (found.name, found.major.name) == ("ha-postgres", "15")
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


@pytest.mark.parametrize(("name", "text"), [("ha-postgres", WARM), ("hot-postgres", HOT)])
def test_the_shipped_specs_are_the_pages(name: str, text: str) -> None:
    assert (EXAMPLES / f"{name}.yaml").read_text() == text


def test_the_short_form_is_the_spec_alone() -> None:
    short = yaml.safe_dump({"name": "ha-postgres", **yaml.safe_load(WARM)["spec"]})
    found, whole = parse(short), parse(WARM)
    assert (found.name, found.major, found.defaults) == (whole.name, whole.major, whole.defaults)


def test_the_short_form_needs_no_name() -> None:
    assert parse('version: "15"').name == "ha-postgres"


def test_what_is_left_out_is_what_kubedb_takes() -> None:
    assert parse('version: "15"').defaults == {"replicas": 1, "standbyMode": "warm", "storage": None}


@pytest.mark.parametrize(
    ("version", "major", "tag"),
    [
        ("15", "15", None),
        ('"18"', "18", None),
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
    assert (found.major.name, found.defaults.get("image.tag")) == (major, tag)


def test_all_that_is_mapped() -> None:
    term = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    content = {
        "nodeSelector": {"disk": "ssd"},
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}},
    }
    found = parse(changed(databaseSecret={"secretName": "own"}, **content)).defaults
    assert found["databaseSecret.secretName"] == "own"
    assert {key: found[key] for key in content} == content


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (changed(standbyMod="hot"), "spec.standbyMod: unknown key; did you mean standbyMode?"),
        (changed(replicas=0), "spec.replicas: 0 is not allowed; an integer from 1 to 9"),
        (changed(replicas=10), "spec.replicas: 10 is not allowed; an integer from 1 to 9"),
        (changed(replicas="3"), 'spec.replicas: "3" is not allowed; an integer from 1 to 9'),
        (changed(replicas=True), "spec.replicas: true is not allowed; an integer from 1 to 9"),
        (changed(standbyMode="luke"), 'spec.standbyMode: "luke" is not allowed; warm or hot'),
        (
            changed(storage={"resources": {"requests": {"storage": "50 Mb"}}}),
            'spec.storage.resources.requests.storage: "50 Mb" is not a quantity; e.g. 50Mi, 10Gi',
        ),
        (changed(storage={}), "spec.storage.resources: missing; a mapping"),
        (
            changed(storage={"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}}),
            'spec.storage.accessModes[0]: "ReadOnlyMany" is not allowed; ReadWriteOnce or ReadWriteOncePod or ReadWriteMany',
        ),
        *(
            (changed(version=version), f"spec.version: {shown} is not a version that hapg knows; {VERSIONS}")
            for version, shown in [("11", '"11"'), ("19", '"19"'), ("9.5", '"9.5"'), ("9", '"9"'), ("9.6-v2", '"9.6-v2"'), (11, "11")]
        ),
        (changed(version="15.4.2"), f'spec.version: "15.4.2" is not a version that hapg knows; {VERSIONS}'),
        (
            changed(version=16.1),
            'spec.version: 16.1 is a number, in which 16.1 and 16.10 are the same; write it in quotes, "16.1"',
        ),
        (changed(version=None), "spec.version: missing; a string or a number"),
        (changed(version=[15]), "spec.version: [15] is not allowed; a string or a number"),
        (changed(archiver={"storage": {}}), "spec.archiver: archiving of WAL is not supported yet; leave it out"),
        (changed(streamingMode="synchronous"), "spec.streamingMode: only asynchronous streaming is supported yet; leave it out"),
        (
            changed(doNotPause=True),
            "spec.doNotPause: there is no operator that could pause the database, and `helm uninstall` keeps the volumes; leave it out",
        ),
        (changed(resources={"requests": {"memory": "1 GB"}}), 'spec.resources.requests.memory: "1 GB" is not a quantity; e.g. 50Mi, 10Gi'),
        (changed(databaseSecret={"name": "x", "secretName": "x"}), "spec.databaseSecret.name: unknown key; known are secretName"),
        (changed(tolerations=[{"kee": "x"}]), "spec.tolerations[0].kee: unknown key; did you mean key?"),
        (WARM.replace("v1alpha1", "v1"), 'apiVersion: "kubedb.com/v1" is not allowed; kubedb.com/v1alpha1'),
        (WARM.replace("kind: Postgres", "kind: MySQL"), 'kind: "MySQL" is not allowed; Postgres'),
        (
            WARM.replace("name: ha-postgres", "name: HA_Postgres"),
            'metadata.name: "HA_Postgres" is not a name; lower case letters, digits and hyphens, a letter first, at most 52 characters',
        ),
        (WARM.replace("name: ha-postgres", "nam: ha-postgres"), "metadata.name: missing; a string"),
        ('version: "15"\nname: 7', "name: 7 is not a name; lower case letters, digits and hyphens, a letter first, at most 52 characters"),
        ("replica: 3\nversion: '15'", "replica: unknown key; did you mean replicas?"),
        ("spec:\n  version: '15'", "apiVersion: missing; kubedb.com/v1alpha1"),
        ("apiVersion: kubedb.com/v1alpha1\nkind: Postgres\nmetadata: {name: x}\nspec:\n", "spec: null is not allowed; a mapping"),
    ],
)
def test_refused(text: str, sentence: str) -> None:
    assert sentence in refusals(text)


def test_a_key_like_no_other_is_answered_with_the_known_ones() -> None:
    (sentence,) = refusals(changed(qqqq=1))
    assert sentence.startswith("spec.qqqq: unknown key; known are version, replicas, standbyMode, storage, ")


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert refusals(changed(replicas=0, standbyMod="hot", version="10")) == [
        "spec.replicas: 0 is not allowed; an integer from 1 to 9",
        "spec.standbyMod: unknown key; did you mean standbyMode?",
        f'spec.version: "10" is not a version that hapg knows; {VERSIONS}',
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("version: '15'\nreplicas: 1\nversion: '15'\n", "pg.yaml:3:1: the key version is there twice"),
        ("spec:\n\tversion: '15'\n", "pg.yaml:2:1: a tab can't indent YAML; use blanks"),
        (b"version: '15'\nname: \xff\n", "pg.yaml:2:7: the byte 0xFF is not UTF-8"),
        ("version: '15'\nname: \x07\n", "pg.yaml:2:7: the character U+0007 is not allowed in YAML"),
        ("version: [15\n", "pg.yaml:2:1: expected ',' or ']', but got '<stream end>' (while parsing a flow sequence)"),
        ("version: '15'\n---\nversion: '15'\n", "pg.yaml: holds 2 documents; one Postgres object is read"),
        ("# nothing\n", "pg.yaml: holds no document; one Postgres object is read"),
        ("", "pg.yaml: holds no document; one Postgres object is read"),
        ("- version\n", 'pg.yaml: ["version"] is not a Postgres object; a mapping is'),
        ("version: !!python/name:os.system x\n", "pg.yaml:1:10: could not determine a constructor for the tag"),
        ("? [a]\n: 1\n", "pg.yaml:1:3: a key must be a string"),
        ("[" * 1500, "pg.yaml: nested too deeply"),
        ("affinity: &a {nodeAffinity: *a}\nversion: '15'\n", "pg.yaml: holds what is neither text, number, mapping nor list"),
    ],
)
def test_yaml_that_is_refused_in_one_line_with_its_position(text: str | bytes, sentence: str) -> None:
    (found,) = refusals(text)
    assert found.startswith(sentence)
    assert "\n" not in found


def test_a_volume_smaller_than_the_wal_that_is_kept_is_warned_of() -> None:
    assert parse(WARM).warnings == (
        "spec.storage.resources.requests.storage: 50Mi is less than the 512 MB of past WAL that are kept for replicas; "
        "where the size is enforced the volume fills up",
    )
    assert parse(WARM.replace("50Mi", "8Gi")).warnings == ()


def test_no_volume_is_warned_of() -> None:
    assert parse('version: "15"').warnings == ("storage: not there, so data lives in an emptyDir and is lost with its pod",)
