"""The dashboard understands what crud says of rights and refusals: its client, on a real crud with a policy."""

from collections.abc import Iterator

import httpx
import pytest

from activity.models import AuditQuery
from client.api_client import CrudClient
from client.errors import RefusedError
from configurations.models import Draft
from login.identity import Who

from .serving import make_settings, serving

TOKEN = "of-the-sidecar"
POLICY = """\
p, group:developers, rows, view, appconfigs/*, allow
p, group:developers, rows, edit, appconfigs/dev, allow
p, group:developers, reconciles, start, k8s, allow
p, auditor@example.com, audit, view, *, allow
"""
DEV = Who("dev@example.com", "viewer", "login", verified=True, groups=("developers",))
AUDITOR = Who("auditor@example.com", "viewer", "login", verified=True)


@pytest.fixture(scope="module")
def http(serving_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The way through the dashboard's sidecar."""
    policy = tmp_path_factory.mktemp("policy") / "policy.csv"
    policy.write_text(POLICY)
    with serving(make_settings(serving_url, policy=policy, app_api_token=TOKEN)) as client:
        client.headers.update({"dapr-api-token": TOKEN, "dapr-caller-app-id": "ui"})
        yield client


def by(http: httpx.Client, who: Who) -> CrudClient:
    # With a policy in force the dashboard's own role decides nothing.
    return CrudClient(http, lambda: Who(who.person, "editor", who.source, "", who.verified, who.groups))


def test_what_one_may_is_told_by_environment_and_why_not(http: httpx.Client) -> None:
    developer = by(http, DEV)
    mine = developer.my_access()
    assert (mine.enforced, mine.way, mine.subject) == (True, "dashboard", DEV.person)
    held = mine.renderers["appconfigs"]
    assert (held["rows/view"], held["rows/edit"], held["rows/delete"]) == ("all", "some", "none")
    assert mine.targets["k8s"] == ("start",)
    assert developer.why_not("rows/edit", "appconfigs", "dev") is None
    assert developer.why_not("rows/edit", "appconfigs", "prod") == "no line of the policy allows it"


def test_a_refusal_is_in_the_audit_as_it_is_shown(http: httpx.Client) -> None:
    with pytest.raises(RefusedError, match="may not edit rows of appconfigs/prod"):
        by(http, DEV).create(Draft("refused-in-the-dashboard", "https://git.example/a.git", "main", "prod"))
    page = by(http, AUDITOR).audit(AuditQuery(person=DEV.person, outcome="refused"))
    entry = page.items[0]
    assert (entry.way, entry.act, entry.renderer, entry.outcome) == ("dashboard", "rows/edit", "appconfigs", "refused")
    assert "may not edit" in (entry.why or "")
    with pytest.raises(RefusedError, match="may not view audit"):
        by(http, DEV).audit(AuditQuery())


def test_a_token_that_nobody_here_believes_is_refused_with_the_reason(http: httpx.Client) -> None:
    with pytest.raises(RefusedError, match="ROWCAST_ISSUERS"):
        by(http, DEV).my_access("e30.e30.e30")
