"""Hooks: found, ordered, run, and reported with file and line if they are invalid."""

from __future__ import annotations

import importlib.metadata
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from hapg.cli import main
from hapg.hooks.load import load
from tests.unit.generator.conftest import WARM

HEAD = "from hapg.hooks import Refused, hook\n\n\n"
MANIFESTS = """\
# Source: ha-postgres/templates/services.yaml
apiVersion: v1
kind: Service
metadata:
  name: db
  labels: {a: "1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {x: "12:30", "y": "yes"}
"""


def hook_file(folder: Path, name: str, body: str) -> Path:
    path = folder / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD + body)
    return path


def on_manifests(body: str) -> str:
    """A hook whose body begins at line 6."""
    return f"@hook\ndef adjust_manifests(manifests):\n    {body}\n"


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(MANIFESTS.encode())))


def generate(spec: Path, tmp_path: Path, *hooks: Path) -> int:
    options = [option for path in hooks for option in ("--hooks", str(path))]
    return main(["generate", str(spec), "-o", str(tmp_path / "out"), "--silence", "small-volume", "--silence", "no-resources", *options])


def values_of(tmp_path: Path, chart: str = "ha-postgres") -> dict:
    found: dict = yaml.safe_load((tmp_path / "out" / chart / "values.yaml").read_text())
    return found


class TestGeneration:
    def test_the_spec_is_adjusted_before_it_is_checked(self, warm_file: Path, tmp_path: Path) -> None:
        warm_file.write_text(WARM.replace("replicas: 3", "servers: 5"))
        body = "@hook\ndef adjust_spec(spec):\n    spec['replicas'] = spec.pop('servers')\n"
        assert generate(warm_file, tmp_path, hook_file(tmp_path, "servers", body)) == 0
        assert values_of(tmp_path)["replicas"] == 5

    def test_a_spec_that_a_hook_made_wrong_is_refused(self, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        body = "@hook\ndef adjust_spec(spec):\n    return {**spec, 'replicas': 0}\n"
        path = hook_file(tmp_path, "none", body)
        assert generate(warm_file, tmp_path, path) == 1
        assert capsys.readouterr().err == f"error: {path}:4: adjust_spec: spec.replicas: 0 is not allowed; an integer from 1 to 9\n"
        assert not (tmp_path / "out").exists()

    def test_a_key_that_a_hook_left_unknown_names_that_hook(
        self, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        good = hook_file(tmp_path, "good", "@hook\ndef adjust_spec(spec):\n    spec['replicas'] = 5\n")
        bad = hook_file(tmp_path, "bad", "\n@hook\ndef adjust_spec(spec):\n    spec['replicaz'] = 3\n")
        assert generate(warm_file, tmp_path, good, bad) == 1
        assert capsys.readouterr().err == f"error: {bad}:5: adjust_spec: spec.replicaz: unknown key; did you mean replicas?\n"

    def test_a_mistake_of_the_spec_is_not_blamed_on_a_hook(
        self, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        warm_file.write_text(WARM.replace("replicas: 3", "replicaz: 3"))
        path = hook_file(tmp_path, "idle", "@hook\ndef adjust_spec(spec):\n    pass\n")
        assert generate(warm_file, tmp_path, path) == 2
        assert capsys.readouterr().err == "error: spec.replicaz: unknown key; did you mean replicas?\n"

    def test_the_short_form_is_adjusted_too(self, tmp_path: Path) -> None:
        (tmp_path / "short.yaml").write_text('version: "15"\n')
        body = "@hook\ndef adjust_spec(spec):\n    spec['standbyMode'] = 'hot'\n"
        assert generate(tmp_path / "short.yaml", tmp_path, hook_file(tmp_path, "hot", body)) == 0
        assert values_of(tmp_path)["standbyMode"] == "hot"

    def test_values_are_adjusted(self, warm_file: Path, tmp_path: Path) -> None:
        body = (
            "@hook\ndef adjust_values(values, chart):\n    assert (chart.name, chart.major) == ('ha-postgres', '15')\n"
            "    values['podLabels']['team'] = '1e3'\n    values['storage']['storageClassName'] = 'fast'\n"
            "    values['failover']['ttlSeconds'] = 10\n"
        )
        assert generate(warm_file, tmp_path, hook_file(tmp_path, "team", body)) == 0
        found = values_of(tmp_path)
        assert found["podLabels"] == {"team": "1e3"}
        assert (found["storage"]["storageClassName"], found["failover"]["ttlSeconds"]) == ("fast", 10)
        schema = json.loads((tmp_path / "out" / "ha-postgres" / "values.schema.json").read_text())
        assert schema["properties"]["podLabels"]["default"] == {"team": "1e3"}

    def test_storage_can_be_taken_away_and_given(self, tmp_path: Path) -> None:
        (tmp_path / "short.yaml").write_text('version: "15"\n')
        body = (
            "@hook\ndef adjust_values(values):\n    assert values['storage'] is None\n"
            "    claim = {'accessModes': ['ReadWriteOnce'], 'resources': {'requests': {'storage': '9Gi'}}, 'storageClassName': None}\n"
            "    values['storage'] = claim\n"
        )
        assert generate(tmp_path / "short.yaml", tmp_path, hook_file(tmp_path, "claim", body)) == 0
        assert values_of(tmp_path)["storage"]["resources"] == {"requests": {"storage": "9Gi"}}

    def test_values_that_the_schema_refuses_name_the_hook(
        self, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = hook_file(tmp_path, "wrong", "@hook\ndef adjust_values(values):\n    values['replicaz'] = 3\n")
        assert generate(warm_file, tmp_path, path) == 1
        assert capsys.readouterr().err == f"error: {path}:4: adjust_values: replicaz: unknown key; did you mean replicas?\n"
        assert not (tmp_path / "out").exists()

    def test_schema_and_files_are_adjusted(self, warm_file: Path, tmp_path: Path) -> None:
        body = """\
@hook
def adjust_schema(schema):
    schema["properties"]["colour"] = {"type": "string", "enum": ["red", "blue"], "default": "red", "description": "A colour."}


@hook
def adjust_files(files):
    files["templates/colour.yaml"] = "apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: colour}\\ndata: {colour: {{ .Values.colour }}}\\n"
    del files["templates/poddisruptionbudget.yaml"]
    files["README.md"] += "Ours.\\n"
"""
        assert generate(warm_file, tmp_path, hook_file(tmp_path, "colour", body)) == 0
        chart = tmp_path / "out" / "ha-postgres"
        assert values_of(tmp_path)["colour"] == "red"
        assert json.loads((chart / "values.schema.json").read_text())["properties"]["colour"]["enum"] == ["red", "blue"]
        assert '| `colour` | `"red"` | A colour.' in (chart / "README.md").read_text() or "| `COLOUR`" in (chart / "README.md").read_text()
        assert (chart / "templates" / "colour.yaml").is_file()
        assert not (chart / "templates" / "poddisruptionbudget.yaml").exists()

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            ("def adjust_schema(schema):\n    schema['properties']['x'] = {'type': 'string'}", "x: has no default"),
            ("def adjust_schema(schema):\n    schema['properties']['x'] = {'default': 1}", "x: has no description"),
            (
                "def adjust_schema(schema):\n    schema['properties']['x'] = {'type': 'string', 'default': 1, 'description': 'X.'}",
                "x: 1 is not text; put it in quotes",
            ),
            (
                "def adjust_schema(schema):\n    schema['properties']['replicas']['type'] = 'whole'",
                "properties.replicas.type: 'whole' is not",
            ),
            ("def adjust_schema(schema):\n    schema['title'] = {1}", "title: a set is not allowed here"),
            ("def adjust_values(values):\n    values['podLabels'] = {1: 'x'}", "podLabels: the key 1 is not a string"),
            ("def adjust_values(values):\n    del values['replicas']", "replicas: missing; an integer from 1 to 9"),
            ("def adjust_values(values):\n    return list(values)", "adjust_values returned a list; a dict or None is expected"),
            ("def adjust_values(values):\n    yield values", "adjust_values is a wrapper or a generator; a plain function is expected"),
            ("def adjust_files(files):\n    files['../x'] = ''", "'../x' is not a valid path in the chart"),
            ("def adjust_files(files):\n    files['/etc/x'] = ''", "'/etc/x' is not a valid path in the chart"),
            ("def adjust_files(files):\n    files['x'] = files['x/y'] = ''", "x is a file, and other files have it as their folder"),
            ("def adjust_files(files):\n    files['x' * 256] = ''", f"{'x' * 256!r} is not a valid path in the chart"),
            ("def adjust_files(files):\n    files['a\\nb'] = ''", "'a\\nb' is not a valid path in the chart"),
            ("def adjust_files(files):\n    files['\\ud800'] = ''", "'\\ud800' is not a valid path in the chart"),
            ("def adjust_files(files):\n    files['.git/config'] = ''", "'.git/config' is not a valid path in the chart"),
            ("def adjust_files(files):\n    files['.hapg-files'] = ''", "'.hapg-files' is not a valid path in the chart"),
            ("def adjust_files(files):\n    files['x'] = b''", "x: is a bytes; the text of the file is expected"),
            ("def adjust_files(files):\n    del files['Chart.yaml']", "Chart.yaml: not found; the chart needs it"),
            (
                "def adjust_files(files):\n    files['Chart.yaml'] = 'name: x'",
                "Chart.yaml: no longer valid; a mapping with name and annotations is expected",
            ),
            (
                "def adjust_files(files):\n    files['Chart.yaml'] = files['Chart.yaml'].replace('name: ha-postgres', 'name: x')",
                "Chart.yaml: name ha-postgres and annotation ha-postgres/generated must not change",
            ),
            ("def adjust_files(files):\n    files['values.yaml'] += '\\treplicas: 3'", "a tab can't indent YAML"),
            ("def adjust_files(files):\n    files['values.schema.json'] = '{'", "values.schema.json: Expecting property name"),
        ],
    )
    def test_what_a_hook_leaves_wrong_is_told_with_its_place(
        self, body: str, sentence: str, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = hook_file(tmp_path, "wrong", f"@hook\n{body}\n")
        assert generate(warm_file, tmp_path, path) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"error: {path}:4: ")
        assert sentence in said
        assert not (tmp_path / "out").exists()

    def test_without_hooks_the_chart_is_the_same_as_with_one_that_does_nothing(self, warm_file: Path, tmp_path: Path) -> None:
        def tree() -> dict[str, bytes]:
            return {str(path.relative_to(tmp_path)): path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

        assert generate(warm_file, tmp_path) == 0
        before = tree()
        body = "".join(f"@hook\ndef adjust_{name}({name}):\n    pass\n" for name in ("spec", "schema", "values", "files"))
        assert generate(warm_file, tmp_path, hook_file(tmp_path, "idle", body)) == 0
        assert tree() == before

    def test_the_shipped_charts_know_no_hooks(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["generate", "--all", "-o", str(tmp_path / "out"), "--hooks", "x.py"]) == 2
        assert (
            capsys.readouterr().err
            == "error: --hooks: not possible with --all, because hooks don't apply to the shipped charts; give a spec\n"
        )


@pytest.mark.usefixtures("rendered")
class TestPostRender:
    def test_manifests_are_adjusted(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = hook_file(tmp_path, "label", on_manifests("manifests[0]['metadata']['labels']['team'] = 'orders'"))
        assert main(["post-render", "--hooks", str(path)]) == 0
        written = capsys.readouterr().out
        before, after = (list(yaml.safe_load_all(text)) for text in (MANIFESTS, written))
        before[0]["metadata"]["labels"]["team"] = "orders"
        assert after == before

    def test_a_hook_may_return_others(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = hook_file(tmp_path, "first", on_manifests("return manifests[:1]"))
        assert main(["post-render", "--hooks", str(path)]) == 0
        assert [document["kind"] for document in yaml.safe_load_all(capsys.readouterr().out)] == ["Service"]

    def test_what_a_hook_prints_does_not_get_into_the_manifests(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = hook_file(tmp_path, "loud", on_manifests("print('hello')"))
        assert main(["post-render", "--hooks", str(path)]) == 0
        captured = capsys.readouterr()
        assert "hello" not in captured.out
        assert captured.err == "hello\n"

    REMOVALS = (
        ("manifests.clear()", "removes all manifests, and an upgrade would delete the release"),
        ("del manifests[0]", "removes StatefulSet db, with which its servers would be deleted"),
        ("manifests[0]['metadata']['name'] = 'x'", "removes StatefulSet db, with which its servers would be deleted"),
    )

    @pytest.mark.parametrize(("body", "sentence"), REMOVALS)
    def test_a_hook_that_removes_the_servers_is_an_error_unless_that_is_asked_for(
        self, body: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = hook_file(tmp_path, "removes", on_manifests(body))
        text = MANIFESTS.replace("kind: Service", "kind: StatefulSet").encode()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
        assert main(["post-render", "--hooks", str(path)]) == 1
        expected = f"error: {path}:4: adjust_manifests: {sentence}; --allow-removal allows it\n"
        assert capsys.readouterr() == ("", expected)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
        assert main(["post-render", "--hooks", str(path), "--allow-removal"]) == 0

    def test_no_bytecode_is_left_beside_a_hook(self, tmp_path: Path) -> None:
        path = hook_file(tmp_path, "quiet", on_manifests("pass"))
        assert main(["post-render", "--hooks", str(path)]) == 0
        assert list(tmp_path.iterdir()) == [path]

    def test_a_hook_may_refuse(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = hook_file(tmp_path, "owner", on_manifests("raise Refused('an owner is required')"))
        assert main(["post-render", "--hooks", str(path)]) == 2
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("", f"error: {path}:6: an owner is required\n")

    @pytest.mark.parametrize(
        ("body", "line", "sentence"),
        [
            ("manifests[7]", 6, "adjust_manifests failed: IndexError: list index out of range"),
            ("raise SystemExit(0)", 6, "adjust_manifests failed: SystemExit: 0"),
            ("return 'x'", 4, "adjust_manifests returned a str; a list or None is expected"),
            ("return {}", 4, "adjust_manifests returned a dict; a list or None is expected"),
            ("return iter(manifests)", 4, "adjust_manifests returned a list_iterator; a list or None is expected"),
            ("return [None]", 4, "adjust_manifests: manifest 1: is a NoneType; a mapping is expected"),
            ("del manifests[0]['kind']", 4, "adjust_manifests: manifest 1 (None db): kind: a string that is not empty is expected"),
            ("manifests[1]['metadata'] = None", 4, "adjust_manifests: manifest 2 (ConfigMap None): metadata: a mapping is expected"),
            ("manifests[1]['metadata']['name'] = ''", 4, "metadata.name: a string that is not empty is expected"),
            ("manifests[0]['metadata']['labels']['a'] = 1", 4, "manifest 1 (Service db): metadata.labels.a: a string is expected"),
            ("manifests[0]['metadata']['labels']['a'] = 'a b'", 4, "metadata.labels.a: 'a b' is not a label value"),
            ("manifests[0]['metadata']['labels']['a b'] = 'a'", 4, "metadata.labels.a b: not a valid key in Kubernetes"),
            ("manifests[0]['metadata']['annotations'] = []", 4, "metadata.annotations: a mapping is expected"),
            ("manifests[1]['data']['x'] = {1}", 4, "manifest 2 (ConfigMap settings): data.x: a set is not allowed here"),
            ("manifests[1]['data']['x'] = float('nan')", 4, "data.x: nan is not a JSON number"),
            ("manifests[1]['data'][1] = 'x'", 4, "data: the key 1 is not a string"),
            ("manifests[1]['data'] = manifests[1]", 4, "nested deeper than 100 levels"),
            ("manifests.append(dict(manifests[0]))", 4, "manifest 3 (Service db): duplicate object"),
        ],
    )
    def test_a_hook_that_is_wrong_leaves_no_output(
        self, body: str, line: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = hook_file(tmp_path, "wrong", on_manifests(body))
        assert main(["post-render", "--hooks", str(path)]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(f"error: {path}:{line}: ")
        assert sentence in captured.err
        assert "Traceback" not in captured.err

    def test_the_line_is_the_hooks_own_where_a_library_raises(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = hook_file(tmp_path, "deep", "import json\n\n\ndef helper():\n    json.loads('{')\n\n\n" + on_manifests("helper()"))
        assert main(["post-render", "--hooks", str(path)]) == 1
        assert capsys.readouterr().err.startswith(f"error: {path}:8: adjust_manifests failed: JSONDecodeError: ")

    def test_hooks_of_generation_alone_are_not_enough(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = hook_file(tmp_path, "values", "@hook\ndef adjust_values(values):\n    pass\n")
        assert main(["post-render", "--hooks", str(path)]) == 2
        assert capsys.readouterr().err == "error: no hook adjust_manifests found, so there is nothing to do; give --hooks FILE\n"

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("a: [", "standard input:1:5: "),
            ("a: 1", "standard input: manifest 1 (None None): apiVersion: a string that is not empty is expected"),
            ("- a", "standard input: manifest 1: is a list; a mapping is expected"),
        ],
    )
    def test_input_that_is_no_manifest(
        self, text: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
        assert main(["post-render", "--hooks", str(hook_file(tmp_path, "idle", on_manifests("pass")))]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert f"error: {sentence}" in captured.err


def noting(mark: str, options: str = "") -> str:
    return f"@hook{options}\ndef adjust_manifests(manifests):\n    '''Note {mark}.'''\n    manifests.append('{mark}')\n"


class TestOrder:
    def order(self, named: list[Path], spec: Path | None = None) -> list[str]:
        noted: list = []
        for each in load(named, spec).by_name["adjust_manifests"]:
            each.call({"manifests": noted})
        return noted

    def test_files_run_as_they_are_named(self, tmp_path: Path) -> None:
        paths = [hook_file(tmp_path, name, noting(name)) for name in ("b", "a", "c")]
        assert self.order(paths) == ["b", "a", "c"]

    def test_first_and_last(self, tmp_path: Path) -> None:
        last = hook_file(tmp_path, "last", noting("last", "(trylast=True)"))
        plain = hook_file(tmp_path, "plain", noting("plain"))
        first = hook_file(tmp_path, "first", noting("first", "(tryfirst=True)"))
        assert self.order([last, plain, first]) == ["first", "plain", "last"]

    def test_the_folder_beside_the_spec_comes_before_what_is_named(self, warm_file: Path, tmp_path: Path) -> None:
        for name in ("20-two", "10-one", "_helper"):
            hook_file(tmp_path / "hooks", name, noting(name))
        assert self.order([hook_file(tmp_path, "named", noting("named"))], warm_file) == ["10-one", "20-two", "named"]

    def test_a_file_found_twice_runs_once(self, warm_file: Path, tmp_path: Path) -> None:
        path = hook_file(tmp_path / "hooks", "one", noting("one"))
        assert self.order([path], warm_file) == ["one"]

    def test_installed_packages_come_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        hook_file(tmp_path, "installed_hook", noting("installed"))
        monkeypatch.syspath_prepend(tmp_path)
        entry = importlib.metadata.EntryPoint(name="company", value="installed_hook", group="hapg.hooks")
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry] if group == "hapg.hooks" else [])
        assert self.order([hook_file(tmp_path, "named", noting("named"))]) == ["installed", "named"]
        (place, _) = (each.place for each in load([tmp_path / "named.py"]).by_name["adjust_manifests"])
        assert place == "entry point company"

    def test_they_are_listed_in_their_order(self, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        body = noting("one") + "\n\n@hook\ndef adjust_values(values):\n    pass\n"
        beside = hook_file(tmp_path / "hooks", "one", body)
        named = hook_file(tmp_path, "two", noting("two", "(tryfirst=True)"))
        assert main(["hooks", str(warm_file), "--hooks", str(named)]) == 0
        assert capsys.readouterr().out == (
            f"adjust_values\t{beside}:10\nadjust_manifests\t{named}:4\tNote two.\nadjust_manifests\t{beside}:4\tNote one.\n"
        )


class TestUnseen:
    """Nothing runs that is not told, and nothing that looks like a hook is left out silently."""

    def test_hooks_that_no_argument_names_are_told(self, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        beside = hook_file(tmp_path / "hooks", "one", "@hook\ndef adjust_values(values):\n    pass\n")
        named = hook_file(tmp_path, "two", "@hook\ndef adjust_values(values):\n    pass\n")
        assert generate(warm_file, tmp_path, named) == 0
        assert capsys.readouterr().err == f"hook adjust_values of {beside}:4 runs\n"

    def test_a_spec_from_standard_input_has_nothing_beside_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hook_file(tmp_path / "hooks", "one", "@hook\ndef adjust_values(values):\n    values['replicas'] = 5\n")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(WARM.encode())))
        assert generate(Path("-"), tmp_path) == 0
        assert values_of(tmp_path)["replicas"] == 3
        assert capsys.readouterr().err == (
            "warning: hooks/ is not searched, because the spec is standard input; name its files with --hooks\n"
        )

    @pytest.mark.parametrize("make", ["file", "link", "unreadable"])
    def test_a_folder_that_cannot_be_read_is_an_error(
        self, make: str, warm_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "hooks"
        if make == "file":
            folder.write_text("x")
        elif make == "link":
            folder.symlink_to("nowhere")
        else:

            def refuse(_: object) -> list[str]:
                raise PermissionError(13, "Permission denied")

            monkeypatch.setattr("hapg.hooks.load.os.listdir", refuse)
        assert generate(warm_file, tmp_path) == 1
        assert capsys.readouterr().err.startswith(f"error: {folder}: the hooks beside the spec can't be read: ")
        assert not (tmp_path / "out").exists()

    def test_a_file_found_twice_is_imported_once(self, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = hook_file(tmp_path / "hooks", "one", "print('imported')\n\n\n@hook\ndef adjust_values(values):\n    pass\n")
        assert generate(warm_file, tmp_path, tmp_path / "hooks" / ".." / "hooks" / "one.py") == 0
        assert capsys.readouterr().err.count("imported") == 1
        assert path.is_file()

    def test_several_files_after_one_option(self, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        one, two, three = (hook_file(tmp_path, name, "@hook\ndef adjust_values(values):\n    pass\n") for name in ("a", "b", "c"))
        assert main(["hooks", "--hooks", str(one), str(two), "--hooks", str(three), str(warm_file)]) == 0
        assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()] == [f"{path}:4" for path in (one, two, three)]
        assert main(["generate", "--hooks", str(one), str(warm_file), "-o", str(tmp_path / "out")]) == 0


class TestLoading:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("def adjust_values(:\n", ":1: invalid syntax"),
            ("x = 1\n1 / 0\n", ":2: can't be imported: ZeroDivisionError: division by zero"),
            ("import nothing_of_that_name\n", ":1: can't be imported: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
            ("raise SystemExit\n", ":1: can't be imported: SystemExit: "),
            ("x = 1\n", ": no hook found; a hook is a function with the decorator @hook"),
            ("def adjust_values(values):\n    pass\n", ":1: adjust_values lacks the decorator @hook"),
            (
                "from hapg.hooks import hook\n@hook\ndef adjust_value(values):\n    pass\n",
                ":2: unknown hook adjust_value; known are adjust_spec, adjust_schema, adjust_values, adjust_files, adjust_manifests",
            ),
            (
                "from hapg.hooks import hook\n@hook\ndef adjust_values(value):\n    pass\n",
                ":2: adjust_values: unknown parameter value; known are values, chart",
            ),
            (
                "from hapg.hooks import hook\n@hook\ndef adjust_values(*, values, major):\n    pass\n",
                ":2: adjust_values: unknown parameter major; known are values, chart",
            ),
            (
                "from hapg.hooks import hook\n@hook\ndef adjust_values(*values):\n    pass\n",
                ":2: adjust_values: unknown parameter *values; known are values, chart",
            ),
            (
                "from hapg.hooks import hook\n@hook(specname='adjust_values')\ndef adjust_spec(spec):\n    pass\n",
                ":2: adjust_spec has a specname; the function's own name says which hook it is",
            ),
            ("import json\n\njson.loads('{')\n", ":3: can't be imported: JSONDecodeError: "),
            ("open('/none')\n", ":1: can't be imported: FileNotFoundError: "),
            ("from hapg.hooks import hook\n@hook(wrapper=True)\ndef adjust_values(values):\n    yield\n", ":2: adjust_values is a wrapper"),
        ],
    )
    def test_a_file_that_holds_no_good_hook(
        self, text: str, sentence: str, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "bad.py"
        path.write_text(text)
        assert generate(warm_file, tmp_path, path) == 1
        (said,) = capsys.readouterr().err.splitlines()
        assert said.startswith(f"error: {path}")
        assert sentence in said
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("name", "sentence"), [("none.py", "can't be read: No such file or directory"), ("x.txt", "not a Python file")]
    )
    def test_a_file_that_is_none(
        self, name: str, sentence: str, warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert generate(warm_file, tmp_path, tmp_path / name) == 1
        assert sentence in capsys.readouterr().err

    def test_a_parameter_with_a_default_is_given_too(self, warm_file: Path, tmp_path: Path) -> None:
        path = hook_file(tmp_path, "default", "@hook\ndef adjust_values(values=None, *, chart):\n    values['replicas'] = 5\n")
        assert generate(warm_file, tmp_path, path) == 0
        assert values_of(tmp_path)["replicas"] == 5

    def test_an_unknown_hook_that_is_imported_is_not_skipped(
        self, warm_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shared = hook_file(tmp_path, "shared_hooks", "@hook\ndef adjust_value(values):\n    pass\n")
        monkeypatch.syspath_prepend(tmp_path)
        path = hook_file(tmp_path, "mine", "from shared_hooks import adjust_value\n\n\n@hook\ndef adjust_values(values):\n    pass\n")
        assert generate(warm_file, tmp_path, path) == 1
        assert capsys.readouterr().err.startswith(f"error: {shared}:4: unknown hook adjust_value; known are ")

    def test_a_hook_may_have_dataclasses(self, tmp_path: Path) -> None:
        body = "from dataclasses import dataclass\n\n\n@dataclass\nclass Team:\n    name: str = 'x'\n\n\n" + on_manifests("Team()")
        path = tmp_path / "team.py"
        path.write_text("from __future__ import annotations\n" + HEAD + body)
        (each,) = load([path]).by_name["adjust_manifests"]
        each.call({"manifests": []})
