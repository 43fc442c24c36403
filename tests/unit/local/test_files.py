import ssl
from pathlib import Path

import pytest

from rowcast_local.credentials import settle_credentials
from rowcast_local.jvm import ClassPath
from rowcast_local.parts.certificates import settle_certificate, settle_key
from rowcast_local.parts.dapr import fill
from rowcast_local.parts.git_repository import GitRepository
from rowcast_local.provision.toolbox import Toolbox


def test_credentials_are_made_once_and_are_their_owner_s_alone(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    first = settle_credentials(file)
    assert settle_credentials(file) == first
    assert file.stat().st_mode & 0o777 == 0o600
    assert first.database_owner not in repr(first)


def test_the_api_server_s_certificate_is_its_own_authority(tmp_path: Path) -> None:
    key, certificate = tmp_path / "server.key", tmp_path / "server.crt"
    settle_certificate(certificate, settle_key(key))
    content = certificate.read_bytes()
    settle_certificate(certificate, settle_key(key))
    assert certificate.read_bytes() == content
    context = ssl.create_default_context(cafile=str(certificate))
    context.load_cert_chain(certificate, key)
    assert len(context.get_ca_certs()) == 1


def test_placeholders_are_filled_and_an_unknown_one_is_an_error() -> None:
    assert fill('file: "{env:NAMES}"', {"NAMES": "/a/b"}) == 'file: "/a/b"'
    with pytest.raises(KeyError):
        fill("{env:OTHER}", {})


def test_a_toolbox_comes_back_from_its_text(tmp_path: Path) -> None:
    class_path = ClassPath(tmp_path, (tmp_path / "a.jar", tmp_path / "b.jar"))
    programs = [tmp_path / name for name in ("postgres", "java", "kubectl", "etcd", "kube-apiserver", "daprd")]
    postgres, java, kubectl, etcd, server, daprd = programs
    toolbox = Toolbox(postgres, java, class_path, kubectl, etcd, server, daprd, ("java 25", "daprd 1.18.2"))
    assert Toolbox.from_json(toolbox.to_json()) == toolbox


def test_a_new_repository_has_one_empty_commit_and_keeps_it(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path / "bare.git")
    repository.prepare()
    tip = (repository.folder / "refs" / "heads" / "main").read_text()
    repository.prepare()
    assert (repository.folder / "refs" / "heads" / "main").read_text() == tip
    assert repository.find(".yaml") == []
    assert repository.url.startswith("file:///")
