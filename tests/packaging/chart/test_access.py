"""Who may do what, as values: what crud is given of it."""

from pathlib import Path

import yaml

from charting.rendering import one, pod, render
from rowcast.core.policy import read_policy
from rowcast.crud.access.issuers import read_issuers

VALUES = """\
crud:
  access:
    defaultRole: role:readonly
    policy: |
      # who may what
      p, app:rowcast-check, rows, *, appconfigs/*, allow
      g, group:platform, role:admin
    issuers:
      - {issuer: https://login.example.com, audiences: [rowcast], subject: email}
"""


def test_by_default_there_is_no_policy_and_no_issuer() -> None:
    environment = pod(render(), "crud").environment
    assert not {"ROWCAST_POLICY", "ROWCAST_POLICY_DEFAULT", "ROWCAST_ISSUERS"} & environment.keys()


def test_crud_reads_the_policy_and_the_issuers_that_are_given(tmp_path: Path) -> None:
    given = tmp_path / "values.yaml"
    given.write_text(VALUES)
    manifests = render(values=given)
    crud = pod(manifests, "crud")
    files = one(manifests, "ConfigMap", "rowcast-crud-access")["data"]
    folder = Path(str(crud.environment["ROWCAST_POLICY"])).parent
    assert [each["mountPath"] for each in crud.containers[0]["volumeMounts"] if each["name"] == "access"] == [
        str(folder)
    ]
    assert {Path(str(crud.environment[name])).name for name in ("ROWCAST_POLICY", "ROWCAST_ISSUERS")} == set(files)
    assert read_policy(files["policy.csv"]).rights(["group:platform"]).decide("rows", "edit", None).allowed
    assert [each.subject for each in read_issuers(files["issuers.yaml"])] == ["email"]
    assert yaml.safe_load(files["issuers.yaml"])["issuers"][0]["audiences"] == ["rowcast"]
