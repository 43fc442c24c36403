import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        "https://user@dev.example/org/_git/repo",
        "git://[::1]/x",
        "file:///srv/git/x.git",
    ],
)
def test_what_git_clones_from_is_a_url(url: str) -> None:
    assert check_url(url) is None


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
    ],
)
def test_anything_else_is_none(url: str) -> None:
    assert check_url(url) is not None


@settings(max_examples=60, deadline=None)
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
