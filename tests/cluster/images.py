"""The images of the cluster: built without a container engine, and cached as archives."""

import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster import builds, debian, embedded, files, oci
from tests.cluster.commands import run
from tests.cluster.configuration import PAUSE_IMAGE
from tests.cluster.errors import ClusterError
from tests.cluster.output import say, step
from tests.cluster.paths import BUILDAH, CACHE, FAILOVER_SOURCE, IMAGES, SEARCH_PATH

_POSTGRES = "15"  # of the tutorial
POSTGRES_IMAGE = f"localhost/postgres:{_POSTGRES}"
FAILOVER_IMAGE = "localhost/ha-postgres-failover:0.1.0"
BACKUP_IMAGE = "localhost/ha-postgres-backup:0.1.0"
COREDNS_IMAGE = "localhost/coredns:1"
OBJECT_STORE_IMAGE = "localhost/versitygw:1"
PROMETHEUS_IMAGE = "localhost/prometheus:1"
_BASE_IMAGE = "localhost/ha-postgres-base"
_BUILD_IMAGE = "localhost/ha-postgres-build"
_PGBACKREST_IMAGE = "localhost/ha-postgres-pgbackrest"
_LARGEST_FAILOVER_IMAGE = 200_000_000
_LARGEST_BACKUP_IMAGE = 150_000_000
_LARGEST_POSTGRES_IMAGE = 200_000_000
_UID = 999
_ARCHIVES_KEPT = 3
_OCI = Path(oci.__file__)
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Archive:
    """An image in the cache: `size` is that of its unpacked layers in bytes; `key` changes with its contents."""

    reference: str
    key: str
    path: Path
    size: int


@dataclass(frozen=True)
class _Root:
    """A root file system made of Debian packages, and the image's configuration."""

    packages: tuple[str, ...]
    configuration: dict[str, Any]
    left_out: tuple[str, ...] = ()
    essential_hooks: tuple[str, ...] = ()
    customize_hooks: tuple[str, ...] = ()
    suite: str = field(default=debian.SUITE, repr=False)  # the packages' names determine it too
    also: str = field(default="", repr=False)

    def write(self, target: Path) -> None:
        """Writes the layer."""
        debian.root_file_system(
            target,
            self.packages,
            left_out=self.left_out,
            essential_hooks=self.essential_hooks,
            customize_hooks=self.customize_hooks,
            suite=self.suite,
            also=self.also,
        )


_NO_PERL = (
    'rm -rf "$1"/usr/share/perl "$1"/usr/share/perl5 "$1"/usr/lib/*-linux-gnu/perl "$1"/usr/lib/*-linux-gnu/perl-base'
    ' "$1"/usr/bin/perl* "$1"/var/cache/debconf'
)


def _postgres(major: str, *more: str, packages: tuple[str, ...], suite: str = debian.SUITE, also: str = "") -> _Root:
    """PostgreSQL as in the stock image; `more`: hooks that add what isn't in the packages."""
    programs = f"lib/postgresql/{major}/bin"
    return _Root(
        packages=(*packages, "locales", "libnss-wrapper"),
        configuration={
            "Env": [f"PATH={SEARCH_PATH}:/usr/{programs}", "LANG=en_US.utf8", "PGDATA=/var/lib/postgresql/data"],
            "Cmd": ["postgres"],
        },
        left_out=(
            "/usr/lib/*-linux-gnu/libLLVM*",
            "/usr/lib/postgresql/*/lib/bitcode/*",
            "/usr/lib/postgresql/*/lib/llvmjit*",
        ),
        essential_hooks=(
            f'echo "postgres:x:{_UID}:" >>"$1/etc/group"',
            f'echo "postgres:x:{_UID}:{_UID}::/var/lib/postgresql:/bin/bash" >>"$1/etc/passwd"',
            'mkdir "$1/etc/postgresql-common"',
            'echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"',
        ),
        customize_hooks=(
            *more,
            'chroot "$1" localedef -i en_US -f UTF-8 en_US.UTF-8',
            # psql and similar programs in /usr/bin are Perl wrappers: replace them with the programs themselves
            f'for program in "$1"/usr/{programs}/*; do ln -sf "../{programs}/$(basename "$program")" "$1/usr/bin/"; done',
            f'install -d -m 3777 -o {_UID} -g {_UID} "$1/var/run/postgresql"',
            f'install -d -m 1777 -o {_UID} -g {_UID} "$1/var/lib/postgresql/data"',
            f'{_NO_PERL} "$1"/usr/share/i18n "$1"/usr/share/zoneinfo/right',
        ),
        suite=suite,
        also=also,
    )


def _embedded(major: str) -> _Root:
    server = embedded.ensure(major)
    copy = f'mkdir -p "$1/usr/lib/postgresql" && cp -a {server} "$1/usr/lib/postgresql/{major}"'
    return _postgres(major, copy, packages=("postgresql-client-15",))


_OF_MAJORS: Mapping[str, Callable[[], _Root]] = {
    "9.6": lambda: _embedded("9.6"),
    "15": lambda: _postgres("15", packages=("postgresql-15",)),
    "17": lambda: _postgres("17", packages=("postgresql-17",), suite="trixie"),
    "18": lambda: _postgres("18", packages=("postgresql-18",), suite="sid"),
    "19": lambda: _postgres("19", packages=("postgresql-19", "libpq5/experimental"), suite="sid", also="experimental"),
}
MAJORS = tuple(_OF_MAJORS)
"""The majors of PostgreSQL that there are images of."""
_PYTHON_CONFIGURATION: dict[str, Any] = {"Env": [f"PATH={SEARCH_PATH}", "LANG=C.UTF-8"], "Cmd": ["python3"]}
_BASE = _Root(
    packages=("python3",),
    configuration=_PYTHON_CONFIGURATION,
    customize_hooks=(f'{_NO_PERL} "$1"/usr/lib/*-linux-gnu/gconv "$1"/usr/share/zoneinfo "$1"/usr/lib/python3.11/pydoc_data',),
)
_BUILD = _Root(packages=("python3", "python3-pip", "ca-certificates"), configuration=_PYTHON_CONFIGURATION)
_PGBACKREST = _Root(packages=("pgbackrest", "ca-certificates"), configuration={"Env": [f"PATH={SEARCH_PATH}"]}, suite="trixie")
_PROMETHEUS = _Root(
    packages=("prometheus", "promtool"),
    configuration={"Env": [f"PATH={SEARCH_PATH}"], "Entrypoint": ["prometheus"]},
    suite="trixie",  # bookworm's does not discover what Kubernetes has
)
PGBACKREST_KEY = files.digest([_OCI], repr(_PGBACKREST))
"""Changes with the image that `pgbackrest_root` returns."""


def _cached(reference: str, key: str, make: Callable[[Path, Path], None]) -> Archive:
    """The archive with this key, made by `make(archive, folder for temporary files)` if it doesn't exist."""
    path = IMAGES / f"{reference.rpartition('/')[2].replace(':', '_')}-{key}.tar"
    note = path.with_suffix(".json")
    if not path.exists() or files.read_json(note) is None:
        with files.workspace(IMAGES) as folder, step(f"making image {reference}"):
            archive = folder / path.name
            make(archive, folder)
            size = _unpacked_size(archive)
            files.write_json(note, {"size": size})
            archive.rename(path)
            _forget_old(path)
    return Archive(reference, key, path, int(files.read_json(note)["size"]))


def _forget_old(path: Path) -> None:
    """Removes all but the two latest archives of an image, since another program may still be importing the older one."""
    name = path.stem.rpartition("-")[0]
    archives = sorted(IMAGES.glob(f"{name}-*.tar"), key=lambda each: each.stat().st_mtime)
    for old in archives[:-_ARCHIVES_KEPT]:
        old.unlink()
        old.with_suffix(".json").unlink(missing_ok=True)


def _unpacked_size(archive: Path) -> int:
    """Bytes of the uncompressed layers of an archive (OCI layout or `docker save`)."""
    with tarfile.open(archive) as tar:

        def read(name: str) -> Any:
            member = tar.extractfile(name)
            assert member is not None
            return json.load(member)

        if "manifest.json" in tar.getnames():
            layers = {layer for image in read("manifest.json") for layer in image["Layers"]}
            return sum(tar.getmember(layer).size for layer in layers)
        digest = read("index.json")["manifests"][0]["digest"].replace(":", "/")
        return sum(int(layer["size"]) for layer in read(f"blobs/{digest}")["layers"])


def _of_program(reference: str, program: Path, configuration: dict[str, Any]) -> Archive:
    def make(archive: Path, folder: Path) -> None:
        layer = folder / "layer.tar"
        oci.layer_of_files(layer, {program.name: program})
        oci.write_image(layer, archive, reference, configuration)

    return _cached(reference, files.digest([program, _OCI], json.dumps(configuration)), make)


def _of_root(reference: str, root: _Root) -> Archive:
    def make(archive: Path, folder: Path) -> None:
        layer = folder / "layer.tar"
        root.write(layer)
        oci.write_image(layer, archive, reference, root.configuration)

    return _cached(reference, files.digest([_OCI], repr(root)), make)


def _buildah(*words: str) -> str:
    """Runs buildah in its own mount namespace, so that its storage leaves no mount on the host."""
    storage = ["--root", str(BUILDAH / "root"), "--runroot", str(BUILDAH / "run"), "--storage-driver", "overlay"]
    return run(["unshare", "--mount", "buildah", *storage, *words])


def _in_storage(archive: Archive) -> str:
    """Imports an archive into buildah's storage; returns its name there."""
    name = f"{archive.reference.rpartition(':')[0]}:{archive.key}"
    listed = _buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()
    if name not in listed:
        _buildah("pull", "--quiet", f"oci-archive:{archive.path}")
        _buildah("tag", archive.reference, name)
    return name


def _pip_options(folder: Path) -> list[str]:
    """This machine's settings that pip needs (certificates, index), mounted for the build and not part of the image."""
    options = []
    lines = ["[global]", "disable-pip-version-check = true", "root-user-action = ignore"]
    for name in ("index-url", "extra-index-url", "timeout", "retries"):
        value = os.environ.get(f"PIP_{name.upper().replace('-', '_')}")
        lines += [f"{name} = {value}"] if value else []
    certificates = Path(os.environ.get("PIP_CERT") or _CERTIFICATES)
    if certificates.exists():
        lines.append("cert = /etc/pip-certificates.crt")
        options += ["--volume", f"{certificates.resolve()}:/etc/pip-certificates.crt:ro"]
    configuration = folder / "pip.conf"
    configuration.write_text("\n".join(lines) + "\n")
    return [*options, "--volume", f"{configuration}:/etc/pip.conf:ro"]


def python_roots() -> tuple[Archive, Archive]:
    """Debian with Python, and the same with pip, for building."""
    return _of_root(f"{_BASE_IMAGE}:1", _BASE), _of_root(f"{_BUILD_IMAGE}:1", _BUILD)


def of_containerfile(
    reference: str,
    source: Path,
    files_of_it: Iterable[Path],
    arguments: Mapping[str, Archive],
    largest: int,
    recipe: str = "Containerfile",
) -> Archive:
    """An image built from the Containerfile in `source`, rebuilt when one of the files or an image in its arguments changes.

    `largest`: maximum unpacked size in bytes; `recipe`: the Containerfile's name. ClusterError if the image is larger or a file is missing.
    """
    sources = sorted([source / recipe, *files_of_it])
    missing = [path for path in sources if not path.exists()]
    if missing:
        raise ClusterError(f"{reference} can't be built: {missing[0]} is missing")

    def make(archive: Path, folder: Path) -> None:
        options = ["--isolation", "chroot", "--layers", "--pull-never", "--tag", reference]
        for name, root in arguments.items():
            options += ["--build-arg", f"{name}={_in_storage(root)}"]
        options += _pip_options(folder)
        _buildah("bud", *options, "--file", str(source / recipe), str(source))
        _buildah("push", "--quiet", reference, f"docker-archive:{archive}:{reference}")
        size = _unpacked_size(archive)
        if size > largest:
            raise ClusterError(f"{reference} has {size / 1e6:.0f} MB unpacked; at most {largest / 1e6:.0f} MB are allowed")

    # relative paths, because moving a file changes the image as well
    names = [str(path.relative_to(source)) for path in sources]
    return _cached(reference, files.digest(sources, *names, *(root.key for root in arguments.values())), make)


def _failover(reference: str = FAILOVER_IMAGE, source: Path = FAILOVER_SOURCE) -> Archive:
    sources = _packages(source, "hapg_failover", "hapg_protocol", "hapg_supervisor")
    base, build = python_roots()
    arguments = {"BASE_IMAGE": base, "BUILD_IMAGE": build}
    return of_containerfile(reference, source, [source / "requirements.lock", *sources], arguments, _LARGEST_FAILOVER_IMAGE)


def _packages(source: Path, *names: str) -> list[Path]:
    """The files of these Python packages."""
    found = (path for name in names for path in (source / name).rglob("*"))
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def pgbackrest_root() -> Archive:
    """Debian with pgBackRest, from which the backup image takes it."""
    return _of_root(f"{_PGBACKREST_IMAGE}:1", _PGBACKREST)


def _backup() -> Archive:
    source = FAILOVER_SOURCE
    sources = [
        source / "unpack-pgbackrest.sh",
        *_packages(source, "hapg_backup", "hapg_protocol"),
        source / "hapg_supervisor" / "pgbackrest.sh",
    ]
    arguments = {"BASE_IMAGE": python_roots()[0], "PGBACKREST_IMAGE": pgbackrest_root()}
    return of_containerfile(BACKUP_IMAGE, source, sources, arguments, _LARGEST_BACKUP_IMAGE, recipe="Containerfile.backup")


def ensure_backup() -> Archive:
    """The backup container."""
    debian.ensure_packages()
    with files.lock(CACHE / "images.lock"):
        return _backup()


@dataclass(frozen=True)
class Edit:
    """An edit of one file of the failover container, by its path below failover-hook: `old`, which must occur once, becomes `new`."""

    path: str
    old: str
    new: str


def ensure_other_failover(tag: str, edits: Iterable[Edit]) -> Archive:
    """Another version of the failover container: its sources with edits, under another tag. ClusterError if an edit doesn't apply."""
    debian.ensure_packages()
    with files.lock(CACHE / "images.lock"), files.workspace(IMAGES) as folder:
        source = folder / "source"
        shutil.copytree(FAILOVER_SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in edits:
            path = source / edit.path
            text = path.read_text(encoding="utf-8")
            if text.count(edit.old) != 1:
                raise ClusterError(f"{edit.path} has {edit.old!r} {text.count(edit.old)} times; an edit wants it once")
            path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
        return _failover(f"{FAILOVER_IMAGE.rpartition(':')[0]}:{tag}", source)


def ensure_debian() -> list[Archive]:
    """PostgreSQL, the failover and the backup container: the images that don't need a Go build."""
    debian.ensure_packages()
    with files.lock(CACHE / "images.lock"):
        return [_of_major(_POSTGRES), _failover(), _backup()]


def ensure_majors(majors: Iterable[str]) -> list[Archive]:
    """PostgreSQL of these majors."""
    debian.ensure_packages()
    with files.lock(CACHE / "images.lock"):
        return [_of_major(major) for major in majors]


def _of_major(major: str) -> Archive:
    archive = _of_root(f"localhost/postgres:{major}", _OF_MAJORS[major]())
    if archive.size > _LARGEST_POSTGRES_IMAGE:
        limit = _LARGEST_POSTGRES_IMAGE / 1e6
        raise ClusterError(f"{archive.reference} has {archive.size / 1e6:.0f} MB unpacked; at most {limit:.0f} MB are wanted")
    return archive


def ensure_programs() -> list[Archive]:
    """pause and CoreDNS, each a single program built from a Go module."""
    binaries = builds.ensure(builds.CLUSTER_BUILDS)
    with files.lock(CACHE / "programs.lock"):
        return [
            _of_program(PAUSE_IMAGE, binaries["pause"], {"Entrypoint": ["/pause"], "User": "65535:65535"}),
            _of_program(COREDNS_IMAGE, binaries["coredns"], {"Entrypoint": ["/coredns"]}),
        ]


def ensure_object_store() -> Archive:
    """versitygw, an S3 server in front of a directory, built from a Go module."""
    binaries = builds.ensure(builds.OBJECT_STORE_BUILDS)
    with files.lock(CACHE / "programs.lock"):
        return _of_program(OBJECT_STORE_IMAGE, binaries["versitygw"], {"Entrypoint": ["/versitygw"], "User": "65535:65535"})


def ensure_prometheus() -> Archive:
    """Prometheus and promtool, from Debian's packages."""
    debian.ensure_packages()
    with files.lock(CACHE / "images.lock"):
        return _of_root(PROMETHEUS_IMAGE, _PROMETHEUS)


def report(archives: list[Archive]) -> None:
    """Prints the unpacked size of each image."""
    for archive in archives:
        say(f"image {archive.reference}: {archive.size / 1e6:.1f} MB unpacked")
