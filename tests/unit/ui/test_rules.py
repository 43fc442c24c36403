"""The form refuses what the API refuses."""

import inspect
import shutil
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rowcast.core.repository_urls
from configurations import repository_urls, rules
from configurations.models import Draft
from examples import examples

GOOD = Draft("checkout", "https://git.example/shop/checkout.git", "main", "prod")


def broken(**changes: str) -> list[tuple[str, str]]:
    return [(error.field, error.rule) for error in rules.field_errors(Draft(**{**vars(GOOD), **changes}))]


def test_a_good_configuration_has_no_errors() -> None:
    assert broken() == []


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("name", "", "required"),
        ("name", "Upper", "dns-1123-label"),
        ("name", "-a", "dns-1123-label"),
        ("name", "a-", "dns-1123-label"),
        ("name", "a.b", "dns-1123-label"),
        ("name", "a\n", "dns-1123-label"),
        ("name", "ä", "dns-1123-label"),
        ("name", "a" * 64, "max-length"),
        ("environment", "", "required"),
        ("environment", "a_b", "dns-1123-label"),
        ("repository_url", "", "required"),
        ("repository_url", "checkout", "url"),
        ("repository_url", "https://", "url"),
        ("repository_url", "https://me:secret@git.example/a.git", "url"),
        ("repository_url", "https://git.example/a b", "url"),
        ("repository_url", "https://git.example/" + "a" * 2048, "max-length"),
        ("branch", "", "required"),
        ("branch", "a..b", "git-branch"),
        ("branch", "-a", "git-branch"),
        ("branch", "a.lock", "git-branch"),
        ("branch", "a b", "git-branch"),
        ("branch", "b" * 256, "max-length"),
    ],
)
def test_a_refused_value_names_its_field_and_rule(field: str, value: str, rule: str) -> None:
    assert broken(**{field: value}) == [(field, rule)]


@pytest.mark.parametrize("value", ["a", "a" * 63, "0", "a-b", "1-2"])
def test_a_dns_label_is_a_name(value: str) -> None:
    assert broken(name=value, environment=value) == []


@pytest.mark.parametrize(
    "value",
    ["http://h:8080/a", "ssh://git@git.example/a.git", "git@git.example:team/a.git", "file:///srv/a.git", "git://h/a"],
)
def test_what_git_clones_from_is_a_repository_url(value: str) -> None:
    assert broken(repository_url=value) == []


@pytest.mark.parametrize(
    "value", ["https://TOKEN@h/a", "ssh://a%3Ab@h/a", "https://h/a?token=b", "-x@h:a", "http://0xa9fea9fe/a"]
)
def test_what_crud_refuses_as_a_repository_url_is_refused(value: str) -> None:
    assert broken(repository_url=value) == [("repository_url", "url")]


def test_the_rule_for_repository_urls_is_the_text_of_cruds() -> None:
    here, there = (inspect.getsource(module) for module in (repository_urls, rowcast.core.repository_urls))
    assert here == there


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge here")
@examples(60)
@given(st.text(alphabet="ab./-@{}~^:?*[\\ \tlock_é", min_size=1, max_size=12))
@example("a.lock/b")
@example("@")
@example("a@{b")
@example("a//b")
@example("a/.b")
def test_a_branch_is_refused_exactly_when_git_refuses_it(branch: str) -> None:
    judged = subprocess.run(["git", "check-ref-format", f"refs/heads/{branch}"], check=False).returncode == 0
    # `git branch` refuses two more that the ref format allows: a leading dash, and the name @.
    git_takes_it = judged and not branch.startswith("-") and branch != "@"
    assert (broken(branch=branch) == []) == git_takes_it


def test_every_field_is_checked_in_the_order_of_the_form() -> None:
    errors = rules.field_errors(Draft("", "", "", ""))
    assert [error.field for error in errors] == ["name", "repository_url", "branch", "environment"]


def test_blanks_around_values_are_dropped() -> None:
    assert rules.trimmed(Draft(" a ", "\thttps://h/a\n", " main", "prod ")) == Draft("a", "https://h/a", "main", "prod")


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("maria", True),
        ("Maria M.", True),
        ("", False),
        (" a", False),
        ("Zoë", True),
        ("a" * 201, False),
        ("a\r\nb: c", False),
    ],
)
def test_a_person_is_what_crud_takes_as_one(name: str, fits: bool) -> None:
    assert rules.is_person(name) is fits
