import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from rowcast.core.rules import check_branch, check_label, check_url, check_user


@pytest.mark.parametrize("label", ["a", "a-b", "0", "a" * 63])
def test_a_dns_label_is_a_label(label: str) -> None:
    assert check_label(label) is None


@pytest.mark.parametrize("label", ["", "A", "a_b", "-a", "a-", "a.b", "ä", "a\n"])
def test_what_kubernetes_would_refuse_is_no_label(label: str) -> None:
    broken = check_label(label)
    assert broken is not None
    assert broken.rule == "dns-1123-label"


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example/shop/checkout.git",
        "http://127.0.0.1:3000/x",
        "ssh://git@git.example:2222/x.git",
        "git@git.example:shop/checkout.git",
        "git://[::1]/x",
        "ssh://git@[::1]:2222/x",
        "git@[::1]:x",
        "git@git.example:~x/y",
        "git@git.example:https://x",
        "https://10.0.0.1/x",
        "https://[2001:db8::1]:80/x",
        "https://xn--bcher-kva.example/x",
        "https://git.example/a@b/-/c",
    ],
)
def test_what_git_clones_from_is_a_url(url: str) -> None:
    assert check_url(url) is None


def test_a_file_url_is_one_only_where_files_are_taken() -> None:
    assert check_url("file:///srv/git/x.git") is not None
    assert check_url("file:///srv/git/x.git", files=True) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://TOKEN@git.example/x",
        "http://user@git.example/x",
        "git://user@git.example/x",
        "https://user%3Apassword@git.example/x",
        "ssh://user%3Apassword@git.example/x",
        "https://git.example/x?private_token=1",
        "https://git.example/x#token",
        "git@git.example:x?private_token=1",
        "https://git.example/x%0Ahost=evil.example",
    ],
)
def test_what_may_hold_a_credential_is_none(url: str) -> None:
    assert check_url(url) is not None


@pytest.mark.parametrize(
    "url",
    [
        "--upload-pack@host:x",
        "-x@host:x",
        "git@-host:x",
        "git@host:-x",
        "ssh://-oProxyCommand=id/x",
        "ssh://-oProxyCommand@host/x",
        "ssh://git@-host/x",
        "https://a.-b/x",
    ],
)
def test_what_git_could_take_for_an_option_is_none(url: str) -> None:
    assert check_url(url) is not None


@pytest.mark.parametrize("form", ["http://{}/x", "https://{}:8443/x", "ssh://git@{}/x", "git://{}/x", "git@{}:x"])
@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "169.254.0.1",
        "2852039166",
        "0xa9fea9fe",
        "0XA9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[::169.254.169.254]",
        "[::ffff:0:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[fe80::1]",
        "[febf::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "metadata.google.internal",
        "METADATA.google.internal",
        "0.0.0.0",
        "0",
        "[::]",
        "224.0.0.1",
        "255.255.255.255",
        "[1:2]",
        "127.1",
        "1.2.3.0x",
        "a..b",
    ],
)
def test_no_address_of_metadata_or_of_the_link_in_any_spelling_is_one(form: str, host: str) -> None:
    broken = check_url(form.format(host))
    assert broken is not None
    assert broken.rule == "url"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "https://",
        "https://x",
        "https://a b/c",
        "https://u:secret@x/y",
        "javascript://x/y",
        "https://x/y\n",
        "ext::sh -c id",
        "https://x:0/y",
        "https://x:65536/y",
    ],
)
def test_anything_else_is_none(url: str) -> None:
    assert check_url(url) is not None


@examples(60)
@given(st.from_regex(r"(a|b|/|\.|\.lock|@|\{|~|\\|\^|:| |é)+", fullmatch=True).filter(lambda name: len(name) < 100))
@pytest.mark.skipif(shutil.which("git") is None, reason="asks git itself")
def test_a_branch_is_what_git_says_is_one(name: str) -> None:
    verdict = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False).returncode == 0
    # The one stricter rule of `git branch`, which check-ref-format leaves to its caller.
    assert (check_branch(name) is None) is (verdict and name != "@")


@pytest.mark.parametrize("name", ["-a", "@", "a\x00", "a" * 256])
def test_a_branch_has_also_these_bounds(name: str) -> None:
    assert check_branch(name) is not None


def test_a_person_is_printable_and_short() -> None:
    assert check_user("Zoë <zoe@example.org>") is None
    assert check_user("a\nb") is not None
    assert check_user("a" * 201) is not None
