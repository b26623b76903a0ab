"""Writing image archives (OCI layout in a tar file) of one layer, without any container engine."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


def layer_of_files(target: Path, contents: Mapping[str, Path]) -> None:
    """Writes a layer that holds the given programs, by their path in the image, and nothing else."""
    with tarfile.open(target, "w") as archive:
        for name, source in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = source.stat().st_size, 0o755
            with source.open("rb") as file:
                archive.addfile(entry, file)


def _file_digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


def _descriptor(kind: str, content: bytes, **more: Any) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": f"application/vnd.oci.image.{kind}+json", "digest": digest, "size": len(content), **more}


def write_image(layer: Path, target: Path, reference: str, configuration: Mapping[str, Any]) -> None:
    """Writes the archive of an image with one layer.

    `reference` is its full name with tag, `configuration` the `config` object of the OCI image specification
    (Env, User, Cmd, …).
    """
    layer_digest = f"sha256:{_file_digest(layer)}"
    image = {
        "architecture": "amd64",
        "os": "linux",
        "config": dict(configuration),
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        # buildah refuses to build on an image whose history does not account for its layers
        "history": [{"created_by": "tests.cluster"}],
    }
    image_content = json.dumps(image).encode()
    layer_size = layer.stat().st_size
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _descriptor("config.v1", image_content),
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer_digest, "size": layer_size}],
    }
    manifest_content = json.dumps(manifest).encode()
    names = {
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference,
    }
    index = {"schemaVersion": 2, "manifests": [_descriptor("manifest.v1", manifest_content, annotations=names)]}
    with tarfile.open(target, "w") as archive:

        def add(name: str, content: bytes) -> None:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))

        add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add("index.json", json.dumps(index).encode())
        for content in (image_content, manifest_content):
            add(f"blobs/sha256/{hashlib.sha256(content).hexdigest()}", content)
        entry = tarfile.TarInfo(f"blobs/{layer_digest.replace(':', '/')}")
        entry.size = layer_size
        with layer.open("rb") as file:
            archive.addfile(entry, file)
