"""Writing container images: an OCI layout in a tar file with one uncompressed layer.

Everything in it follows from its arguments: no clock, no user, so that the same content has the
same digest. Source: https://github.com/opencontainers/image-spec
"""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

MEDIA = "application/vnd.oci.image"
NAME_ANNOTATION = "io.containerd.image.name"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Image:
    """A container image. Paths are without a leading slash.

    `files` maps a path to a file of the host or to its text, `links` a path to its target.
    Files keep nothing of the host but whether they are executable; texts are not executable.
    """

    names: Sequence[str]
    files: Mapping[str, Path | str]
    links: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    environment: Sequence[str] = (
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    )


def write(image: Image, path: Path, architecture: str) -> None:
    """Write `image` to the tar file `path`. Needs twice its size for a moment, beside `path`."""
    with tempfile.TemporaryFile(dir=path.parent) as layer:
        digest, size = _write_layer(image, layer)
        layer_blob = _descriptor(f"{MEDIA}.layer.v1.tar", digest, size)
        config = _json(_config(image, architecture, digest))
        manifest = _json(_manifest(config, layer_blob))
        with tarfile.open(path, "w") as tar:
            _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            _add(tar, "index.json", _json(_index(image, manifest)))
            _add(tar, f"blobs/sha256/{_sha(config)}", config)
            _add(tar, f"blobs/sha256/{_sha(manifest)}", manifest)
            layer.seek(0)
            tar.addfile(_info(f"blobs/sha256/{digest}", size), layer)


def _write_layer(image: Image, out: IO[bytes]) -> tuple[str, int]:
    """Write the layer; returns the hex SHA-256 and the length of what was written."""
    with tarfile.open(fileobj=out, mode="w") as tar:
        for directory in _directories([*image.files, *image.links]):
            info = _info(directory, 0, mode=0o1777 if directory == "tmp" else 0o755)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        for name, source in sorted(image.files.items()):
            _add_file(tar, name, source)
        for name, target in sorted(image.links.items()):
            info = _info(name, 0, mode=0o777)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    size = out.tell()
    out.seek(0)
    digest = hashlib.sha256()
    while chunk := out.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest(), size


def _add_file(tar: tarfile.TarFile, name: str, source: Path | str) -> None:
    if isinstance(source, str):
        _add(tar, name, source.encode())
        return
    status = source.stat()
    mode = 0o755 if status.st_mode & 0o100 else 0o644
    with source.open("rb") as file:
        tar.addfile(_info(name, status.st_size, mode), file)


def _directories(names: Sequence[str]) -> list[str]:
    """All parents of the paths, and `tmp`, parents first."""
    found = {"tmp"}
    for name in names:
        found.update(str(parent) for parent in PurePosixPath(name).parents)
    return sorted(found - {"."})


def _config(image: Image, architecture: str, layer: str) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": list(image.entrypoint), "Env": list(image.environment)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
    }


def _manifest(config: bytes, layer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": _descriptor(f"{MEDIA}.config.v1+json", _sha(config), len(config)),
        "layers": [layer],
    }


def _index(image: Image, manifest: bytes) -> dict[str, Any]:
    entry = _descriptor(f"{MEDIA}.manifest.v1+json", _sha(manifest), len(manifest))
    named = [{**entry, "annotations": {NAME_ANNOTATION: name}} for name in image.names]
    return {"schemaVersion": 2, "manifests": named}


def _descriptor(media: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media, "digest": f"sha256:{digest}", "size": size}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _info(name: str, size: int, mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, mode, 0
    return info


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_info(name, len(data)), io.BytesIO(data))
