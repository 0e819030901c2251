"""The image writer: a layout that a container runtime can verify from its digests."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from holdfast_sandbox.machines.prepare.oci import NAME_ANNOTATION, Image, write


def written(image: Image, tmp_path: Path, name: str = "image.tar") -> dict[str, bytes]:
    """The files of the written archive by name."""
    path = tmp_path / name
    write(image, path, "amd64")
    with tarfile.open(path) as tar:
        return {m.name: file.read() for m in tar if (file := tar.extractfile(m)) is not None}


def an_image(tmp_path: Path) -> Image:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o711)
    return Image(
        names=["example.test/one:1", "example.test/two:2"],
        files={"usr/bin/program": program, "etc/text": "hello\n"},
        links={"bin/p": "/usr/bin/program"},
        entrypoint=["/usr/bin/program"],
    )


def blob(files: dict[str, bytes], digest: str) -> bytes:
    return files[f"blobs/{digest.replace(':', '/')}"]


def manifest_and_config(files: dict[str, bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    index = json.loads(files["index.json"])
    manifest = json.loads(blob(files, index["manifests"][0]["digest"]))
    return manifest, json.loads(blob(files, manifest["config"]["digest"]))


def test_every_blob_has_the_digest_and_the_size_that_refer_to_it(tmp_path: Path) -> None:
    files = written(an_image(tmp_path), tmp_path)
    manifest, config = manifest_and_config(files)
    referred = [*json.loads(files["index.json"])["manifests"], manifest["config"]]
    for entry in [*referred, *manifest["layers"]]:
        data = blob(files, entry["digest"])
        assert entry["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert entry["size"] == len(data)
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    assert sum(name.startswith("blobs/") for name in files) == 3


def test_each_name_leads_to_the_same_image(tmp_path: Path) -> None:
    index = json.loads(written(an_image(tmp_path), tmp_path)["index.json"])
    names = [entry["annotations"][NAME_ANNOTATION] for entry in index["manifests"]]
    assert names == ["example.test/one:1", "example.test/two:2"]
    assert len({entry["digest"] for entry in index["manifests"]}) == 1


def test_the_layer_holds_files_links_and_their_directories(tmp_path: Path) -> None:
    image = an_image(tmp_path)
    files = written(image, tmp_path)
    manifest, _ = manifest_and_config(files)
    layer = tmp_path / "layer.tar"
    layer.write_bytes(blob(files, manifest["layers"][0]["digest"]))
    with tarfile.open(layer) as tar:
        members = {member.name: member for member in tar}
    assert members["usr/bin/program"].mode == 0o755
    assert members["etc/text"].mode == 0o644
    assert members["bin/p"].linkname == "/usr/bin/program"
    assert members["tmp"].mode == 0o1777
    assert {"usr", "usr/bin", "etc", "bin"} <= members.keys()
    assert {member.mtime for member in members.values()} == {0}


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    image = an_image(tmp_path)
    assert written(image, tmp_path, "a.tar") == written(image, tmp_path, "b.tar")


def test_the_configuration_names_entry_point_and_architecture(tmp_path: Path) -> None:
    _, config = manifest_and_config(written(an_image(tmp_path), tmp_path))
    assert config["architecture"] == "amd64"
    assert config["config"]["Entrypoint"] == ["/usr/bin/program"]
