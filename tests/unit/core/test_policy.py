"""A policy says the same here as in PyCasbin, which reads the same lines, and a wrong one is refused as a whole."""

import itertools

import casbin
import pytest
from casbin.persist.adapters.string_adapter import StringAdapter
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.policy import BUILT_IN, RESOURCES, PolicyError, fits, read_policy

# Argo CD's model (assets/model.conf), with the object in two parts.
MODEL = """
[request_definition]
r = sub, res, act, obj
[policy_definition]
p = sub, res, act, obj, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && fits(r.res, p.res) && fits(r.act, p.act) && of(r.res, r.obj, p.obj)
"""
SUBJECTS = ("ada", "bob", "group:team", "role:editor", "role:lead")
RENDERERS, ENVIRONMENTS = ("tenants", "appconfigs"), ("dev", "prod", "prod-eu")
PATTERNS = ("*", "dev", "prod*", "pro?", "prod-eu")
RULES = st.builds(
    lambda subject, verb, renderer, environment, effect: (
        f"p, {subject}, rows, {verb}, {renderer}/{environment}, {effect}"
    ),
    st.sampled_from(SUBJECTS),
    st.sampled_from(("*", "view", "edit")),
    st.sampled_from(("*", "ten*", "appconfigs")),
    st.sampled_from(PATTERNS),
    st.sampled_from(("allow", "allow", "deny")),
)
GRANTS = st.builds(
    lambda member, role: f"g, {member}, {role}",
    st.sampled_from(SUBJECTS),
    st.sampled_from(("role:editor", "role:lead", "role:admin", "role:readonly")),
)
DEFINED = ("p, role:editor, rows, view, nothing/nothing, allow", "p, role:lead, rows, view, nothing/nothing, allow")


def _of(resource: str, name: str, pattern: str) -> bool:
    renderer, _, environment = pattern.partition("/")
    have, _, place = name.partition("/")
    return fits(renderer, have) and fits(environment, place)


@given(st.lists(RULES, max_size=6), st.lists(GRANTS, max_size=4))
def test_pycasbin_says_the_same(rules: list[str], grants: list[str]) -> None:
    text = "\n".join([*DEFINED, *rules, *grants])
    model = casbin.Model()
    model.load_model_from_text(MODEL)
    enforcer = casbin.Enforcer(model, StringAdapter("\n".join([*BUILT_IN.splitlines(), text])))
    enforcer.add_function("fits", lambda name, pattern: fits(pattern, name))
    enforcer.add_function("of", _of)
    policy = read_policy(text)
    for subject, verb, renderer, environment in itertools.product(
        ("ada", "bob", "group:team"), ("view", "edit"), RENDERERS, ENVIRONMENTS
    ):
        rights = policy.rights([subject])
        expected = enforcer.enforce(subject, "rows", verb, f"{renderer}/{environment}")
        assert rights.decide("rows", verb, renderer, environment).allowed == expected
        assert (environment in rights.environments("rows", verb, renderer)) == expected
        if rights.decide("rows", verb, renderer).allowed:
            assert expected, "who may with all may with each"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("p, ada, rows, view, */*", "must be p, SUBJECT"),
        ("p, ada, row, view, */*, allow", "resource 'row' is none of"),
        ("p, ada, rows, update, */*, allow", "verb 'update' of rows is none of"),
        ("p, ada, rows, view, tenants, allow", "must be renderer/environment: tenants/*"),
        ("p, ada, rollouts, start, tenants/prod, allow", "names an environment"),
        ("p, ada, rows, view, [a]/*, allow", "must be renderer/environment, or a name"),
        ("p, ada, rows, view, */*, maybe", "effect 'maybe' must be"),
        ("p, ad*, rows, view, */*, allow", "must be a name"),
        ("p, , rows, view, */*, allow", "subject is empty"),
        ("g, ada, editor", "must be a role"),
        ("g, ada, role:edtior", "no line says what role:edtior may do"),
        ("g, ada", "must be g, MEMBER"),
        ("approval, tenants", "must be renderer/environment"),
        ("approval, ada, */prod", "must be approval, RENDERER/ENVIRONMENT"),
        ("x, ada", "must begin with p, g or approval"),
        ('p, "ada, rows', "no line of comma-separated values"),
    ],
)
def test_a_wrong_line_refuses_all_of_it_and_is_named(line: str, said: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(f"# who may what\np, bob, rows, view, */*, allow\n{line}\n")
    assert any(each.startswith("line 3: ") and said in each for each in caught.value.problems), caught.value.problems


def test_built_in_roles_are_those_that_argo_cd_has() -> None:
    policy = read_policy("g, ada, role:admin\ng, bob, role:readonly")
    for resource, verbs in RESOURCES.items():
        for verb in verbs:
            assert policy.rights(["ada"]).decide(resource, verb, None).allowed
            assert policy.rights(["bob"]).decide(resource, verb, None).allowed == (verb == "view")
    assert not policy.rights(["eve"]).decide("rows", "view", "tenants", "dev").allowed


def test_all_of_something_takes_a_line_of_all_and_none_that_denies_a_part() -> None:
    text = "p, ada, rows, view, tenants/*, allow\np, bob, rows, view, tenants/dev, allow\n"
    text += "p, eve, rows, view, tenants/*, allow\np, eve, rows, view, tenants/prod, deny\n"
    policy = read_policy(text)
    seen = {name: policy.rights([name]).decide("rows", "view", "tenants").allowed for name in ("ada", "bob", "eve")}
    assert seen == {"ada": True, "bob": False, "eve": False}


def test_a_denial_of_an_environments_rows_says_nothing_of_declarations() -> None:
    rights = read_policy("g, ada, role:readonly\np, ada, *, *, */prod, deny").rights(["ada"])
    assert rights.decide("renderers", "view", "tenants").allowed
    assert not rights.decide("rows", "view", "tenants", "prod").allowed


def test_the_line_that_decides_is_told() -> None:
    rights = read_policy("p, role:dev, rows, edit, */dev, allow\ng, group:team, role:dev").rights(["ada", "group:team"])
    assert "line 1 allows it" in rights.decide("rows", "edit", "tenants", "dev").why
    assert rights.decide("rows", "edit", "tenants", "prod").why == "no line of the policy allows it"
