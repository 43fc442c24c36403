"""Who somebody is and what they may do, from a login's claims and the dashboard's settings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from login.identity import ANONYMOUS, Roles, Who, local, roles, signed_in, typed

ISSUER = "https://login.example.com"
OTHER = "https://anybody.example.net"
ADA = {"iss": ISSUER, "sub": "00u1", "email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CLAIMS = ("iss", "sub", "email", "email_verified", "name", "preferred_username", "groups", "provider")


def only(editors: str, **more: str) -> Roles:
    """Everybody looks, those may edit."""
    return roles({"ROWCAST_ROLE": "viewer", "ROWCAST_EDITORS": editors, **more})


def test_everybody_may_change_things_on_a_machine_of_ones_own() -> None:
    assert typed("ada", roles({}, "127.0.0.1")).can_edit


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.7", "rowcast", "", None])
def test_everybody_only_looks_where_others_reach_the_dashboard(address: str | None) -> None:
    assert not typed("ada", roles({}, address)).can_edit
    assert not signed_in(ADA, roles({}, address)).can_edit
    assert typed("ada", roles({"ROWCAST_ROLE": "editor"}, address)).can_edit


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "[::1]", "127.1.2.3"])
def test_the_loopback_is_known_by_each_of_its_names(address: str) -> None:
    assert local(address)


def test_a_default_of_viewer_leaves_changes_to_the_listed_editors() -> None:
    listed = only("Ada@Example.com, grace")
    assert signed_in(ADA, listed).can_edit
    assert typed("grace", listed).can_edit
    assert not signed_in({**ADA, "email": "linus@example.com"}, listed).can_edit


@pytest.mark.parametrize("verified", [False, None, "false", "true", 1, [True], {}])
def test_an_address_that_is_not_verified_is_nobodys(verified: Any) -> None:
    who = signed_in({**ADA, "email_verified": verified}, only("ada@example.com"))
    assert not who.can_edit
    assert who.person == f"sub:{ISSUER}#00u1"


def test_an_address_without_a_word_about_its_verification_is_nobodys() -> None:
    claims = {name: value for name, value in ADA.items() if name != "email_verified"}
    assert not signed_in(claims, only("ada@example.com")).can_edit


@pytest.mark.parametrize("claim", ["name", "preferred_username", "nickname", "sub", "upn", "provider"])
@pytest.mark.parametrize("entry", ["ada", "ada@example.com", "group:platform", "email:https://login.example.com#a@b"])
def test_no_claim_that_a_person_chooses_makes_an_editor(claim: str, entry: str) -> None:
    claims = {"iss": ISSUER, "sub": "666", claim: entry}
    assert not signed_in(claims, only(entry)).can_edit


@pytest.mark.parametrize(
    "entry", [f"sub:{ISSUER}#00u1", f"sub:{ISSUER}/#00u1", "sub:00u1", f"email:{ISSUER}#ADA@example.com", "Sub:00u1"]
)
def test_a_person_may_be_listed_by_issuer_and_subject_or_address(entry: str) -> None:
    assert signed_in(ADA, only(entry)).can_edit
    assert signed_in({**ADA, "iss": f"{ISSUER}/"}, only(entry)).can_edit


@pytest.mark.parametrize(
    "entry", [f"sub:{ISSUER}#00U1", f"sub:{ISSUER}#", "sub:", "email:", "group:", f"sub:{OTHER}#00u1"]
)
def test_a_subject_is_one_person_to_the_letter(entry: str) -> None:
    assert not signed_in(ADA, only(entry)).can_edit


def test_two_addresses_are_not_made_one_by_unicode() -> None:
    assert not signed_in({**ADA, "email": "\u212aim@example.com"}, only("kim@example.com")).can_edit
    assert not signed_in({**ADA, "email": "strasse@example.com"}, only("straße@example.com")).can_edit


@pytest.mark.parametrize("entry", [f"sub:{ISSUER}#00u1", f"email:{ISSUER}#ada@example.com", f"group:{ISSUER}#platform"])
def test_a_claim_of_one_issuer_is_no_claim_of_another(entry: str) -> None:
    forged = {**ADA, "iss": OTHER, "groups": ["platform", entry, entry.removeprefix("group:")]}
    assert not signed_in(forged, only(entry)).can_edit
    assert not signed_in(forged, only(entry), several=True).can_edit
    assert signed_in({**ADA, "groups": ["platform"]}, only(entry), several=True).can_edit


@pytest.mark.parametrize("entry", ["ada@example.com", "sub:00u1", "group:platform"])
def test_of_several_issuers_an_entry_without_one_means_the_one_that_is_set(entry: str) -> None:
    member = {**ADA, "groups": ["platform"]}
    assert not signed_in(member, only(entry), several=True).can_edit
    named = only(entry, ROWCAST_ISSUER=f"{ISSUER}/")
    assert signed_in(member, named, several=True).can_edit
    assert not signed_in({**member, "iss": OTHER}, named, several=True).can_edit
    assert not signed_in({**member, "iss": None}, named, several=True).can_edit


def test_a_group_of_the_login_makes_an_editor() -> None:
    listed = only("group:Platform", ROWCAST_GROUPS_CLAIM="roles")
    assert signed_in({"email": "a@example.com", "roles": ["dev", "platform"]}, listed).can_edit
    assert not signed_in({"email": "a@example.com", "groups": ["platform"]}, listed).can_edit


def test_a_person_who_is_called_like_a_group_is_none() -> None:
    assert not typed("group:platform", only("group:platform")).can_edit
    called = {**ADA, "email": "group:platform", "name": "group:platform", "sub": "group:platform"}
    assert not signed_in(called, only("group:platform")).can_edit
    # Nor is a group that is called like a person that person.
    assert not signed_in({**ADA, "email": "x@y", "groups": ["ada@example.com"]}, only("ada@example.com")).can_edit


@pytest.mark.parametrize("name", ["ada@example.com", f"sub:{ISSUER}#00u1", "sub:00u1", "email:ada@example.com"])
def test_a_typed_name_is_no_address_and_no_subject(name: str) -> None:
    assert not typed(name, only(name)).can_edit
    assert not typed(name, only(name)).verified


def test_somebody_in_both_lists_is_a_viewer() -> None:
    both = roles({"ROWCAST_EDITORS": "ada", "ROWCAST_VIEWERS": "ADA"})
    assert not typed("ada", both).can_edit
    assert typed("grace", both).can_edit


@pytest.mark.parametrize(
    ("entry", "claims"),
    [
        ("ada@example.com", {"email_verified": False}),
        ("ada", {"preferred_username": "Ada", "email": "other@example.com"}),
        ("group:guests", {"iss": OTHER, "groups": ["guests"]}),
        (f"sub:{ISSUER}#00u1", {"email": 7}),
    ],
)
def test_a_right_is_taken_by_a_mere_claim(entry: str, claims: dict[str, Any]) -> None:
    assert not signed_in({**ADA, **claims}, roles({"ROWCAST_ROLE": "editor", "ROWCAST_VIEWERS": entry})).can_edit


def test_a_role_that_nobody_knows_makes_everybody_a_viewer_and_says_so() -> None:
    unknown = roles({"ROWCAST_ROLE": "admin", "ROWCAST_EDITORS": "ada"})
    assert not typed("ada", unknown).can_edit
    assert unknown.complaint is not None
    assert "ROWCAST_ROLE is 'admin': it can be editor or viewer" in unknown.complaint


@pytest.mark.parametrize(
    ("claims", "person", "verified"),
    [
        (ADA, "ada@example.com", True),
        ({**ADA, "email_verified": False}, f"sub:{ISSUER}#00u1", True),
        ({"iss": ISSUER, "sub": "1", "preferred_username": "grace@example.com"}, f"sub:{ISSUER}#1", True),
        ({"iss": f"{ISSUER}/", "sub": "ada@example.com", "name": "Ada"}, f"sub:{ISSUER}#ada@example.com", True),
        ({**ADA, "email": "a\u2028b@example.com"}, f"sub:{ISSUER}#00u1", True),
        ({**ADA, "email": "Ada"}, f"sub:{ISSUER}#00u1", True),
        ({"sub": "auth0|1"}, "auth0|1", False),
        ({"sub": "ada@example.com"}, ANONYMOUS, False),
        ({"iss": ISSUER, "email": "ada@example.com", "name": "Ada"}, ANONYMOUS, False),
        ({"iss": ISSUER, "sub": "x" * 200}, "x" * 200, False),
        ({}, ANONYMOUS, False),
    ],
)
def test_a_login_is_recorded_by_what_its_provider_vouches_for(
    claims: dict[str, Any], person: str, verified: bool
) -> None:
    who = signed_in(claims, Roles())
    assert (who.person, who.verified) == (person, verified)


def test_the_name_is_for_show() -> None:
    assert signed_in(ADA, Roles()).name == "Ada Lovelace"
    assert signed_in({**ADA, "name": None}, Roles()).name == "ada@example.com"
    assert len(signed_in({**ADA, "name": "x" * 10_000}, Roles()).name) == 100


@given(st.dictionaries(st.sampled_from(CLAIMS), JSON), st.booleans())
def test_no_claim_of_any_type_is_an_error_or_an_editor(claims: dict[str, Any], several: bool) -> None:
    who = signed_in(claims, only("ada@example.com,group:platform,sub:00u1,ada"), several=several)
    assert not who.can_edit
    assert "@" not in who.person or who.verified


def test_a_name_that_crud_would_refuse_stays_anonymous() -> None:
    assert typed("a\u2028b", Roles()) == Who(ANONYMOUS, name=ANONYMOUS)
    assert typed("  ", Roles()).person == ANONYMOUS
    assert typed(" ada ", Roles()).person == "ada"
