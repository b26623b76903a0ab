"""Repository checks: documented commands and links exist, and no file depends on one machine or
registry.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from docs import picture_states
from docs.make_pictures import PICTURES
from hapg_failover.core.state.phases import TRANSITIONS, Phase

ROOT = Path(__file__).resolve().parents[2]
PURE = ("hapg_backup/core", "hapg_failover/core", "hapg_failover/credentials", "hapg_failover/pgdata")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("charts/*/README.md"), *ROOT.glob("values-examples/**/*.md")]
)
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("values-examples/**/*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
CONTRACT = {
    *("demo", "test", "test-fast", "lint", "e2e", "check", "bench", "faults", "soak", "charts"),
    *("tools", "images", "cluster-up", "cluster-down", "cluster-status"),
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def targets() -> dict[str, str]:
    """Every target of the Makefile with its line of help."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+):.*?## (.+)$", makefile, re.MULTILINE))


def committed() -> Iterator[Path]:
    """Files that are in Git, or would be with the next commit. Outside a checkout: every file."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = listed.stdout.split("\0") if listed.returncode == 0 else [relative(path) for path in ROOT.rglob("*")]
    return (ROOT / name for name in names if name and (ROOT / name).is_file())


def code_blocks(text: str) -> str:
    return "\n".join(re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


class TestMakefile:
    def test_has_every_command_of_the_contract_with_a_line_of_help(self) -> None:
        assert CONTRACT - set(targets()) == set()

    def test_help_lists_every_target(self) -> None:
        printed = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert re.findall(r"^  make ([a-z0-9-]+)", printed, re.MULTILINE) == list(targets())

    def test_every_target_is_phony(self) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE)) == set(targets())

    def test_the_readmes_first_commands_are_the_demo_and_the_tests(self) -> None:
        first = code_blocks((ROOT / "README.md").read_text(encoding="utf-8")).splitlines()[:2]
        assert [line.split("#")[0].strip() for line in first] == ["make demo", "make test"]

    @pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
    def test_every_make_command_in_a_document_exists(self, document: Path) -> None:
        text = document.read_text(encoding="utf-8")
        named = re.findall(r"`make ([a-z0-9-]+)", text) + re.findall(r"^make ([a-z0-9-]+)", code_blocks(text), re.MULTILINE)
        assert [name for name in named if name not in targets()] == []

    def test_ci_runs_the_readmes_test_command(self) -> None:
        script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        assert re.search(r"^\s*make test\b", script, re.MULTILINE)
        assert os.access(ROOT / ".ci" / "run", os.X_OK)


class TestDocuments:
    @pytest.mark.parametrize("decision", DECISIONS, ids=relative)
    def test_a_decision_has_its_sections(self, decision: Path) -> None:
        text = decision.read_text(encoding="utf-8")
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Violated when"]
        assert text.startswith(f"# {decision.name[:4]}: ")

    def test_decisions_are_numbered_without_a_gap_and_listed(self) -> None:
        assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
        index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
        assert [path.name for path in DECISIONS if f"({path.name})" not in index] == []

    @pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
    def test_links_lead_somewhere(self, document: Path) -> None:
        broken = []
        for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            name, _, anchor = target.partition("#")
            path = (document.parent / name).resolve() if name else document
            if not path.exists() or (anchor and anchor not in anchors(path)):
                broken.append(target)
        assert broken == []

    @pytest.mark.parametrize("page", PAGES, ids=relative)
    def test_a_page_begins_with_whom_it_is_for_and_what_for(self, page: Path) -> None:
        first = page.read_text(encoding="utf-8").split("\n\n")[1]
        assert re.match(r"For (those|readers) [^:]+(: |, so that )", " ".join(first.split())), first

    @pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=relative)
    def test_a_page_has_lines_of_at_most_100_columns(self, page: Path) -> None:
        """Apart from tables, pictures, headings and indented or fenced code."""
        prose = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        lines = (line for line in prose.splitlines() if not line.lstrip().startswith(("|", "!", "#")) and not line.startswith("    "))
        assert [line for line in lines if len(line) > 100] == []

    def test_the_glossary_has_at_most_twelve_words_each_in_one_sentence(self) -> None:
        sections = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").split("\n## ")[1:]
        assert len(sections) <= 12
        meanings = {word: " ".join(meaning.split()) for word, _, meaning in (each.partition("\n") for each in sections)}
        assert [word for word, meaning in meanings.items() if not meaning.endswith(".") or ". " in meaning] == []

    def test_the_readmes_first_screen_has_whom_it_is_for_two_commands_and_a_picture(self) -> None:
        screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20])
        assert "It is for " in " ".join(screen.split())
        assert len(code_blocks(screen).splitlines()) == 2
        assert "](docs/release.svg)" in screen

    def test_each_premise_about_postgresql_names_its_rule_and_a_test_that_exists(self) -> None:
        text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
        section = text.partition("## 9. Premises about PostgreSQL and where they are tested\n")[2].partition("\n## ")[0]
        rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
        assert rows
        rules = set(re.findall(r"^\*\*([0-9]+)\. ", text, re.MULTILINE))
        listed = set()
        for premise, named, nodes in rows:
            assert {number.rstrip("ABCDEF") for number in named.replace(" ", "").split(",")} <= rules, premise
            tests = re.findall(r"`([^`]+)`", nodes)
            assert tests, f"no test: {premise}"
            listed |= set(tests)
        assert listed - {node for path in sorted({node.partition("::")[0] for node in listed}) for node in nodes_of(path)} == set()
        assert set(nodes_of("tests/supervisor/test_premises.py")) - listed == set()

    def test_pictures_are_current(self) -> None:
        for name, draw in PICTURES.items():
            assert draw() == (ROOT / "docs" / name).read_text(encoding="utf-8"), name

    def test_changelog_opens_with_the_version(self) -> None:
        changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
        assert newest is not None
        assert newest[1] == PROJECT["version"]

    def test_licence_is_apache_2(self) -> None:
        text = (ROOT / "LICENSE").read_text(encoding="utf-8")
        assert "Apache License" in text
        assert "Version 2.0, January 2004" in text
        assert "END OF TERMS AND CONDITIONS" in text


def nodes_of(path: str) -> list[str]:
    """Return the tests of a file, a path below the root, as pytest names them, without their parameters."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    groups = [("", tree.body), *((f"{each.name}::", each.body) for each in tree.body if isinstance(each, ast.ClassDef))]
    functions = ((group, each.name) for group, body in groups for each in body if isinstance(each, ast.FunctionDef))
    return [f"{path}::{group}{name}" for group, name in functions if name.startswith("test_")]


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as links use them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# Split in two, so that this file passes its own test.
REGISTRIES = [
    "docker" + ".io",
    "ghcr" + ".io",
    "quay" + ".io",
    "gcr" + ".io",
    "registry" + ".k8s.io",
    "mcr.microsoft" + ".com",
    "public.ecr" + ".aws",
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "proxy.golang" + ".org",
    "sum.golang" + ".org",
    "registry.npmjs" + ".org",
    "repo1.maven" + ".org",
]
MACHINE_PATHS = ["/" + "work/", "/" + "home/", "/" + "opt/wheels"]


class TestPortability:
    def test_no_file_names_a_registry_or_a_path_of_one_machine(self) -> None:
        found = []
        for path in committed():
            text = path.read_bytes().decode("utf-8", errors="replace")
            found += [f"{relative(path)}: {word}" for word in REGISTRIES + MACHINE_PATHS if word in text]
        assert found == []

    @pytest.mark.parametrize("lock", ["requirements-dev.lock", "failover-hook/requirements.lock"])
    def test_a_lock_pins_every_package_by_hash_and_names_no_index(self, lock: str) -> None:
        text = (ROOT / lock).read_text(encoding="utf-8")
        entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip(), flags=re.IGNORECASE)
        assert [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
        assert not re.search(r"index-url|find-links|://", text)

    def test_both_locks_have_the_same_kubernetes_client(self) -> None:
        locks = [(ROOT / name).read_text(encoding="utf-8") for name in ("requirements-dev.lock", "failover-hook/requirements.lock")]
        pins = {re.findall(r"^kubernetes==\S+", text, re.MULTILINE)[0] for text in locks}
        assert len(pins) == 1


SPEC = """
apiVersion: kubedb.com/v1alpha1
kind: Postgres
metadata:
  name: orders
  namespace: demo
spec:
  version: "15"
  replicas: 3
  storage:
    storageClassName: "standard"
    accessModes:
    - ReadWriteOnce
    resources:
      requests:
        storage: 50Mi
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel. Its dependencies come from the environment that runs
    the tests.
    """
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for path in committed():
        if path.relative_to(ROOT).parts[0] in {"generator", "failover-hook", "pyproject.toml", "README.md", "LICENSE"}:
            target = source / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    build = [sys.executable, "-m", "pip", "wheel", *options, "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    [wheel] = folder.glob("hapg-*.whl")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", *options, wheel], check=True, capture_output=True, text=True)
    [site] = folder.glob("venv/lib/python*/site-packages")
    # A folder on the path; its own .pth files, which lead to the checkout, are not read.
    (site / "dependencies.pth").write_text(str(Path(pytest.__file__).parents[1]) + "\n")
    return folder / "venv" / "bin"


@pytest.mark.slow
class TestWheel:
    """`pip install .` installs a `hapg` that works outside the checkout."""

    def run(self, command: list[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=120)

    def test_generates_a_chart_from_a_spec(self, installed: Path, tmp_path: Path) -> None:
        (tmp_path / "spec.yaml").write_text(SPEC)
        done = self.run([installed / "hapg", "generate", "spec.yaml", "-o", "out"], tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out" / "orders" / "Chart.yaml").is_file()

    def test_generates_the_charts_that_are_committed(self, installed: Path, tmp_path: Path) -> None:
        done = self.run([installed / "hapg", "generate", "--all", "-o", "charts"], tmp_path)
        assert done.returncode == 0, done.stderr

        def tree(folder: Path) -> dict[str, bytes]:
            return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

        assert tree(tmp_path / "charts") == tree(ROOT / "charts")

    def test_has_the_supervisor(self, installed: Path, tmp_path: Path) -> None:
        script = "from hapg_failover.adapters import script; print(*(path.name for path in script.sources()))"
        done = self.run([installed / "python", "-c", script], tmp_path)
        assert done.returncode == 0, done.stderr
        assert sorted(done.stdout.split()) == sorted(path.name for path in (ROOT / "failover-hook" / "hapg_supervisor").glob("*.sh"))

    def test_imports_nothing_from_the_checkout(self, installed: Path, tmp_path: Path) -> None:
        script = (
            "import hapg, hapg_failover, hapg_protocol; print(*(each.__file__ for each in (hapg, hapg_failover, hapg_protocol)), sep='\\n')"
        )
        done = self.run([installed / "python", "-c", script], tmp_path)
        assert done.returncode == 0, done.stderr
        assert all(Path(line).is_relative_to(installed.parent) for line in done.stdout.split())


def test_nothing_is_decided_by_the_wall_clock() -> None:
    """It is only for people to read: in log lines, Events, metrics, the description of an archive and the Lease's renewTime. A clock that
    jumps changes no decision; a signed request for a backup may be refused, and is asked again. The one exception is how old a verified
    restore is before a major upgrade, for which the release is paused.
    """
    told = {
        "hapg_backup/adapters/client.py": 1,
        "hapg_backup/adapters/server.py": 1,
        "hapg_backup/archiver.py": 2,
        "hapg_backup/container.py": 1,
        "hapg_backup/inspector.py": 2,
        "hapg_backup/monitor.py": 1,
        "hapg_backup/verifier.py": 1,
        "hapg_failover/adapters/kube/client.py": 3,
        "hapg_failover/adapters/threads.py": 1,
        "hapg_failover/agent.py": 1,
        "hapg_failover/backup_link.py": 1,
        "hapg_failover/operations/upgrade.py": 1,
    }
    program = ROOT / "failover-hook"
    wall = re.compile(
        r"time\.time\(|\.wall_clock\(|datetime\.(?:now|today|utcnow)|CLOCK_REALTIME|(?:local|gm)time\(|EPOCH(?:REALTIME|SECONDS)|\bdate \+"
    )
    files = [path for path in program.rglob("*") if path.suffix in (".py", ".sh")]
    found = {str(path.relative_to(program)): len(wall.findall(path.read_text("utf-8"))) for path in files}
    assert {name: number for name, number in found.items() if number} == told


def test_no_function_of_the_core_and_the_protocol_is_long() -> None:
    """50 lines with its docstring, as the complexity of each is bounded by ruff (C901)."""
    program = ROOT / "failover-hook"
    long = [
        f"{path.name}:{node.lineno} {node.name}"
        for package in (*PURE, "hapg_protocol")
        for path in (program / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 50
    ]
    assert long == []


@pytest.mark.parametrize(
    ("package", "allowed"), [("hapg_protocol", set()), *((package, {"hapg_protocol", "crc32c", *PURE}) for package in PURE)]
)
def test_what_decides_needs_nothing_but_python_and_the_protocol(package: str, allowed: set[str]) -> None:
    """import-linter forbids third-party packages by name; this test allows no others either, and no module from outside the pure
    packages."""
    base = ROOT / "failover-hook"
    foreign = []
    for path in (base / package).rglob("*.py"):
        room = path.relative_to(base).parts[:-1]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                named = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level:
                named = ["/".join([*room[: len(room) + 1 - node.level], *(node.module or "").split(".")])]
            elif isinstance(node, ast.ImportFrom):
                named = [node.module or ""]
            else:
                continue
            foreign += [
                f"{path.name}: {name}"
                for name in named
                if name.partition(".")[0] not in sys.stdlib_module_names | allowed
                and not any(f"{name}/".startswith(f"{pure}/") for pure in {package, *allowed})
            ]
    assert foreign == []


def test_the_picture_of_the_states_has_every_change_of_phase() -> None:
    """A change is drawn or is in the list below; everything drawn is a change in the table."""
    assert set(picture_states.ROUTES) <= set(TRANSITIONS)
    drawn = picture_states.picture()
    assert all(escape(line) in drawn for line in picture_states.others())
    listed = len([line for line in picture_states.others() if not line.startswith("any phase")])
    assert listed >= 15
    assert set(picture_states.STATES) == {phase.name for phase in Phase}
