"""An image's layers are unpacked just as they are, whatever the Python: the tests look at modes, owners and links."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from cluster.room import Room


def file(archive: tarfile.TarFile, name: str, content: bytes = b"", **attributes: object) -> None:
    member = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(member, attribute, value)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def layer(*members: tuple[str, bytes, dict[str, object]]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content, attributes in members:
            file(archive, name, content, **attributes)
    return made.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Of two layers: the second takes a file of the first away."""
    manifest = [{"Config": "config.json", "Layers": ["one.tar", "two.tar"]}]
    below = layer(
        ("bin/su", b"program", {"mode": 0o4755}),
        ("etc/old", b"", {}),
        ("lib", b"", {"type": tarfile.SYMTYPE, "linkname": "/usr/lib"}),
        ("dev/null", b"", {"type": tarfile.CHRTYPE}),
    )
    path = tmp_path / "image.tar"
    with tarfile.open(path, "w") as outer:
        file(outer, "manifest.json", json.dumps(manifest).encode())
        file(outer, "config.json", json.dumps({"config": {"Cmd": ["/bin/su"]}}).encode())
        file(outer, "one.tar", below)
        file(outer, "two.tar", layer(("etc/.wh.old", b"", {})))
    return path


def test_modes_and_absolute_links_stay_and_devices_are_left_out(archive: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"

    room = Room.unpack(archive, root)

    assert room.config == {"Cmd": ["/bin/su"]}
    assert (root / "bin/su").stat().st_mode & 0o7777 == 0o4755
    assert (root / "lib").readlink() == Path("/usr/lib")
    assert not (root / "dev/null").exists()


def test_what_a_later_layer_takes_away_is_gone(archive: Path, tmp_path: Path) -> None:
    Room.unpack(archive, tmp_path / "root")

    assert sorted(path.name for path in (tmp_path / "root/etc").iterdir()) == []
