import json
import tarfile
from pathlib import Path

from rowcast_cluster.images import IMAGES, PAUSE, Image, write_archive
from rowcast_local.provision.go_parts import CLUSTER_PARTS, NODE_PARTS, PARTS

IMAGE = Image(PAUSE, "pause", "pause")


def read(tar: tarfile.TarFile, name: str) -> bytes:
    found = tar.extractfile(name)
    assert found is not None
    return found.read()


def test_an_archive_has_the_program_under_its_name_run_by_nobody(tmp_path: Path) -> None:
    binary, archive = tmp_path / "binary", tmp_path / "image.tar"
    binary.write_bytes(b"program")
    write_archive(IMAGE, binary, archive)
    with tarfile.open(archive) as tar:
        manifest = json.loads(read(tar, "manifest.json"))[0]
        config = json.loads(read(tar, manifest["Config"]))
        with tarfile.open(fileobj=tar.extractfile(manifest["Layers"][0])) as layer:
            assert layer.getmember("pause").mode == 0o755
            assert read(layer, "pause") == b"program"
    assert manifest["RepoTags"] == [PAUSE]
    assert config["config"]["Entrypoint"] == ["/pause"]
    assert config["config"]["User"] == "65532:65532"


def test_the_same_program_makes_the_same_archive_and_nothing_else(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"program")
    for name in ("one.tar", "two.tar"):
        write_archive(IMAGE, binary, tmp_path / name)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"binary", "one.tar", "two.tar"}


def test_every_image_has_a_program_that_is_built() -> None:
    built = {part.name for part in (*PARTS, *CLUSTER_PARTS, *NODE_PARTS)}
    assert {image.part for image in IMAGES} <= built
