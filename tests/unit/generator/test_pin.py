"""hapg pin against a registry that speaks the OCI distribution API, on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from hapg.cli import main

LOGIN = base64.b64encode(b"reader:secret").decode()
TOKEN = "opaque"


def manifest(repository: str, tag: str) -> bytes:
    return json.dumps({"mediaType": "application/vnd.oci.image.index.v1+json", "annotations": {"of": f"{repository}:{tag}"}}).encode()


def digest(repository: str, tag: str) -> str:
    return f"sha256:{hashlib.sha256(manifest(repository, tag)).hexdigest()}"


@dataclass
class Mirror:
    """The registry.

    login: what it asks for: nothing, Bearer or Basic; page: tags at a time; wrong_digest: whether it claims another one.
    """

    repositories: dict[str, list[str]]
    login: str = ""
    page: int = 1000
    wrong_digest: bool = False
    redirect: str = ""
    tokens: list[str] = field(default_factory=list)
    host: str = ""


class Handler(BaseHTTPRequestHandler):
    server: ThreadingHTTPServer
    mirror: Mirror

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path == "/token":
            self.mirror.tokens.append(f"{query['service'][0]} {query['scope'][0]} {self.headers.get('Authorization', 'anonymous')}")
            return self.answer(200, json.dumps({"token": TOKEN}).encode())
        if self.mirror.redirect:
            return self.answer(307, b"", Location=self.mirror.redirect)
        if self.mirror.login and self.headers.get("Authorization") not in (f"Bearer {TOKEN}", f"Basic {LOGIN}"):
            realm = f'Bearer realm="http://{self.mirror.host}/token",service="mirror"' if self.mirror.login == "Bearer" else "Basic"
            return self.answer(401, b"", **{"WWW-Authenticate": realm})
        repository, _, rest = url.path.removeprefix("/v2/").rpartition("/tags/" if url.path.endswith("/tags/list") else "/manifests/")
        tags = self.mirror.repositories.get(repository)
        if tags is None or (rest != "list" and rest not in tags):
            return self.answer(404, b"{}")
        if rest == "list":
            begin = int(query.get("last", ["0"])[0])
            end = begin + self.mirror.page
            more = {"Link": f'</v2/{repository}/tags/list?n={self.mirror.page}&last={end}>; rel="next"'} if end < len(tags) else {}
            return self.answer(200, json.dumps({"name": repository, "tags": tags[begin:end]}).encode(), **more)
        assert "application/vnd.oci.image.index.v1+json" in self.headers["Accept"]
        said = f"sha256:{'0' * 64}" if self.mirror.wrong_digest else digest(repository, rest)
        return self.answer(200, manifest(repository, rest), **{"Docker-Content-Digest": said})

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A registry with three repositories."""
    postgres = ["15", "15.4", "15.13", "15.9", "15.14-bookworm", "15.9-bookworm", "16.10", "latest", "15.20beta1"]
    made = Mirror({"library/postgres": postgres, "ha-postgres-failover": ["0.1.0"], "ha-postgres-backup": ["0.1.0"]})
    handler = type("Served", (Handler,), {"mirror": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    made.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def given(mirror: Mirror, tmp_path: Path) -> Path:
    """Values with the registry and the repositories in it."""
    path = tmp_path / "values.yaml"
    write(path, {"global": {"imageRegistry": mirror.host}, "image": {"repository": "library/postgres"}})
    return path


def write(path: Path, values: object) -> None:
    path.write_text(yaml.safe_dump(values))


def test_the_newest_minor_release_and_the_digest_of_each_image(mirror: Mirror, given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pin", "--major", "15", "-f", str(given)]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {
        "image": {"tag": "15.13", "digest": digest("library/postgres", "15.13")},
        "failoverImage": {"tag": "0.1.0", "digest": digest("ha-postgres-failover", "0.1.0")},
    }


def test_tags_of_several_pages(mirror: Mirror, given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.page = 2
    assert main(["pin", "--major", "15", "-f", str(given)]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["image"]["tag"] == "15.13"


def test_a_release_with_an_archive_has_a_third_image(
    mirror: Mirror, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "archive.yaml"
    write(archive, {"archiver": {"type": "s3", "bucket": "b", "region": "r", "secretName": "s"}})
    assert main(["pin", "--major", "15", "-f", str(given), "-f", str(archive)]) == 0
    pinned = yaml.safe_load(capsys.readouterr().out)
    assert pinned["backupImage"] == {"tag": "0.1.0", "digest": digest("ha-postgres-backup", "0.1.0")}


@pytest.mark.parametrize(
    ("tag", "pinned"), [("15.4", "15.13"), ("15.4-bookworm", "15.14-bookworm"), ("15-bookworm", "15.14-bookworm"), ("latest", "latest")]
)
def test_a_tag_keeps_its_major_and_its_variant(
    mirror: Mirror, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tag: str, pinned: str
) -> None:
    former = tmp_path / "pins.yaml"
    write(former, {"image": {"tag": tag}})
    assert main(["pin", "--major", "15", "-f", str(given), "-f", str(former)]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["image"] == {"tag": pinned, "digest": digest("library/postgres", pinned)}


def test_the_file_of_an_earlier_run_is_renewed_and_another_is_kept(
    mirror: Mirror, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "pins.yaml"
    words = ["pin", "--major", "15", "-f", str(given), "-o", str(output)]
    assert main(words) == 0
    mirror.repositories["library/postgres"].append("15.15")
    assert main([*words, "-f", str(output)]) == 0
    assert yaml.safe_load(output.read_text())["image"]["tag"] == "15.15"
    assert capsys.readouterr().out == f"{output}: written\n" * 2
    output.write_text("replicas: 3\n")
    assert main(words) == 1
    assert capsys.readouterr().err == f"error: {output}: not a file of hapg pin; nothing was written\n"
    assert output.read_text() == "replicas: 3\n"


def test_a_registry_is_asked_that_no_value_names(mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.repositories["mine/postgres"] = ["18.1"]
    mirror.repositories["mine/ha-postgres-failover"] = ["0.1.0"]
    assert main(["pin", "--registry", f"{mirror.host}/mine"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["image"] == {"tag": "18.1", "digest": digest("mine/postgres", "18.1")}
    assert main(["pin"]) == 2
    said = "registry: empty, and so is global.imageRegistry; say with --registry which one to ask"
    assert capsys.readouterr().err == f"error: image.{said}\nerror: failoverImage.{said}\n"


def test_a_token_is_fetched_for_each_repository(mirror: Mirror, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.login = "Bearer"
    words = ["pin", "--major", "15", "-f", str(given)]
    assert main(words) == 0
    repositories = ("library/postgres", "ha-postgres-failover")
    assert mirror.tokens == [f"mirror repository:{name}:pull anonymous" for name in repositories]
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {mirror.host: {"auth": LOGIN}, "other.example.com": {}}}))
    mirror.tokens.clear()
    assert main([*words, "--registry-config", str(config)]) == 0
    assert mirror.tokens == [f"mirror repository:{name}:pull Basic {LOGIN}" for name in repositories]
    assert LOGIN not in "".join(capsys.readouterr())


def test_a_registry_with_a_plain_login(mirror: Mirror, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.login = "Basic"
    words = ["pin", "--major", "15", "-f", str(given)]
    assert main(words) == 1
    needed = "a login is needed; name a file with one by --registry-config"
    assert capsys.readouterr().err == f"error: {mirror.host}/library/postgres: {needed}\n"
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {mirror.host: {"auth": LOGIN}}}))
    assert main([*words, "--registry-config", str(config)]) == 0
    config.write_text(json.dumps({"auths": {mirror.host: {"auth": "d3Jvbmc6"}}}))
    assert main([*words, "--registry-config", str(config)]) == 1
    assert capsys.readouterr().err == f"error: {mirror.host}/library/postgres: login refused\n"


def test_a_file_without_logins_is_refused(mirror: Mirror, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.json"
    config.write_text("[]")
    assert main(["pin", "-f", str(given), "--registry-config", str(config)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {config}: no logins found; ")


def test_what_the_registry_lacks_is_one_sentence_and_nothing_is_written(
    mirror: Mirror, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "pins.yaml"

    def said(major: str, *more: str) -> str:
        assert main(["pin", "--major", major, "-f", str(given), "-o", str(output), *more]) == 1
        assert not output.exists()
        return capsys.readouterr().err.removeprefix(f"error: {mirror.host}/").rstrip("\n")

    assert said("17") == "library/postgres:17: the registry has no full release of it, such as 17.1"
    newer = tmp_path / "newer.yaml"
    write(newer, {"image": {"tag": "15.30"}})
    assert said("15", "-f", str(newer)) == "library/postgres:15.30: not found; the registry's newest is 15.13"
    mirror.wrong_digest = True
    assert said("15").startswith(f"library/postgres:15.13: the registry says sha256:{'0' * 64}, but its manifest has sha256:")
    mirror.redirect = f"http://{mirror.host}/elsewhere"
    assert said("15") == "library/postgres: the registry answers 307"
    mirror.redirect = ""
    del mirror.repositories["ha-postgres-failover"]
    mirror.wrong_digest = False
    assert said("15") == "ha-postgres-failover:0.1.0: not found"


def test_a_registry_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pin", "--registry", "127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == "error: 127.0.0.1:1: no answer: [Errno 111] Connection refused\n"


def test_values_are_checked_before_anybody_is_asked(
    mirror: Mirror, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.yaml"
    write(wrong, {"image": {"tga": "15.4"}})
    assert main(["pin", "-f", str(wrong)]) == 2
    assert "image.tga" in capsys.readouterr().err
