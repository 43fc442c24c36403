"""What a build is told of this machine, and what not."""

import shlex

from rowcast_images.machine import apt_conf, machine_lines
from rowcast_images.rootfs import mirror_of

DUMP = """\
APT::Architecture "amd64";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::https::CaInfo "/etc/ours/authorities.crt";
Acquire::Check-Valid-Until "false";
Dir::Etc "etc/apt";
"""
TARGETS = "trixie-updates main http://other.example/\ntrixie contrib http://a.example/\ntrixie main http://b.example/\n"


def exported(lines: list[str]) -> dict[str, str]:
    words = (shlex.split(line) for line in lines)
    return dict(word.split("=", 1) for export, word in words if export == "export")


def test_pips_index_and_the_proxy_reach_the_build_as_they_are() -> None:
    pip = {"index-url": "https://user:p$ss word@index.example/simple", "cert": "/here/ca.pem", "user": "true"}
    lines = machine_lines(pip, {"HTTPS_PROXY": "http://proxy.example:3128"}, certificates=False, wheels=False)

    assert exported(lines) == {
        "PIP_INDEX_URL": "https://user:p$ss word@index.example/simple",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "APT_CONFIG": "/run/secrets/apt.conf",
    }


def test_certificates_and_wheels_are_named_by_where_the_build_has_them() -> None:
    found = exported(machine_lines({"find-links": "/here/wheels"}, {}, certificates=True, wheels=True))

    assert found["PIP_CERT"] == found["REQUESTS_CA_BUNDLE"] == "/run/secrets/certificates"
    assert found["PIP_FIND_LINKS"] == "/run/secrets/wheels"


def test_of_apts_settings_only_those_about_reaching_a_mirror_are_passed_on() -> None:
    lines = apt_conf(DUMP, certificates=True, sources=True).splitlines()

    assert lines[:2] == ['Acquire::http::Proxy "http://proxy.example:3128";', 'Acquire::Check-Valid-Until "false";']
    assert 'Acquire::https::CaInfo "/run/secrets/certificates";' in lines
    assert 'Dir::Etc::sourcelist "/run/secrets/sources.list";' in lines
    assert not any("/etc/ours" in line for line in lines)


def test_public_base_images_keep_their_own_sources() -> None:
    assert "sourcelist" not in apt_conf("", certificates=False, sources=False)


def test_the_mirror_is_the_one_that_apt_has_the_main_packages_from() -> None:
    assert mirror_of("trixie", TARGETS) == "http://b.example"
    assert mirror_of("bookworm", TARGETS) is None
