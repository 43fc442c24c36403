"""Who somebody is and what they may do, from a login's claims and the dashboard's settings."""

import pytest

from identity import ANONYMOUS, Roles, Who, roles, signed_in, typed


def test_everybody_may_change_things_where_nothing_is_set() -> None:
    assert typed("ada", roles({})).can_edit


def test_a_default_of_viewer_leaves_changes_to_the_listed_editors() -> None:
    found = roles({"ROWCAST_ROLE": "viewer", "ROWCAST_EDITORS": "Ada@Example.com, grace"})
    assert signed_in({"email": "ada@example.com"}, found).can_edit
    assert typed("grace", found).can_edit
    assert not signed_in({"email": "linus@example.com"}, found).can_edit


def test_a_group_of_the_login_makes_an_editor() -> None:
    found = roles({"ROWCAST_ROLE": "viewer", "ROWCAST_EDITORS": "group:Platform", "ROWCAST_GROUPS_CLAIM": "roles"})
    assert signed_in({"email": "a@example.com", "roles": ["dev", "platform"]}, found).can_edit
    assert not signed_in({"email": "a@example.com", "groups": ["platform"]}, found).can_edit
    assert not typed("group:platform", roles({"ROWCAST_ROLE": "viewer"})).can_edit


def test_somebody_in_both_lists_is_a_viewer() -> None:
    found = roles({"ROWCAST_EDITORS": "ada", "ROWCAST_VIEWERS": "ADA"})
    assert not typed("ada", found).can_edit
    assert typed("grace", found).can_edit


def test_a_role_that_nobody_knows_makes_everybody_a_viewer_and_says_so() -> None:
    found = roles({"ROWCAST_ROLE": "admin", "ROWCAST_EDITORS": "ada"})
    assert not typed("ada", found).can_edit
    assert found.complaint is not None
    assert "ROWCAST_ROLE is 'admin': it can be editor or viewer" in found.complaint


@pytest.mark.parametrize(
    ("claims", "person"),
    [
        ({"email": "ada@example.com", "name": "Ada", "sub": "1"}, "ada@example.com"),
        ({"preferred_username": "ada", "sub": "1"}, "ada"),
        ({"name": "Ada", "sub": "1"}, "Ada"),
        ({"sub": "auth0|1"}, "auth0|1"),
        ({"email": "a\u2028b", "name": "Ada"}, "Ada"),
        ({}, ANONYMOUS),
    ],
)
def test_a_login_is_named_by_what_crud_takes(claims: dict[str, str], person: str) -> None:
    assert signed_in(claims, Roles()).person == person


def test_a_name_that_crud_would_refuse_stays_anonymous() -> None:
    assert typed("a\u2028b", Roles()) == Who(ANONYMOUS, name=ANONYMOUS)
    assert typed("  ", Roles()).person == ANONYMOUS
    assert typed(" ada ", Roles()).person == "ada"
