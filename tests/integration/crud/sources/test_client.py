"""The commands on a real crud: what tests/unit/client sees of the fake holds here, too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from structlog.testing import capture_logs

from client_contract import ConfigurationsContract, RowsContract, Run
from client_runs import against
from integration.crud.serving import make_settings, serving
from integration.crud.sources.conftest import Place
from integration.crud.sources.test_rows_over_http import apply
from unit.check.fake_crud import serving as answering

CHECKOUT = Path(__file__).parents[4]
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: tenants}
spec:
  source: {table: tenants, key: [id], edit: true}
  name: "${row.slug}"
  environment: dev
  allow: {kinds: [ConfigMap], namespaces: [teams]}
  manifests:
    - id: one
      template: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${row.slug}", namespace: teams}}
"""


@pytest.fixture(scope="module")
def place(migrated_url: str) -> Place:
    made = Place(migrated_url)
    made.run("CREATE TABLE tenants (id bigint PRIMARY KEY, slug text NOT NULL, plan text, tags text[])")
    return made


@pytest.fixture(scope="module")
def served(place: Place, serving_url: str) -> Iterator[httpx.Client]:
    with serving(make_settings(serving_url, dapr_http_port=1)) as client:
        yield client


@pytest.fixture
def run(place: Place, served: httpx.Client, tmp_path: Path) -> Iterator[Run]:
    place.run(
        "DELETE FROM app_configs",
        "DELETE FROM rowcast.renderers",
        "DELETE FROM rowcast.sources",
        "TRUNCATE tenants",
        "DELETE FROM rowcast.rows",
        "DELETE FROM rowcast.row_history",
    )
    apply(place, tmp_path, DECLARATION)
    with capture_logs():  # crud is in this process, and would write into what the commands print
        yield against(str(served.base_url), tmp_path / "config")


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("what", ["page", "jobs"])
def test_the_pages_commands_and_the_jobs_scripts_work(what: str, served: httpx.Client, tmp_path: Path) -> None:
    page = (CHECKOUT / "docs" / "how-to" / "use-the-api-from-ci.md").read_text()
    jobs = ["examples/ci/diff.sh examples/ci/rows", "examples/ci/apply.sh examples/ci/rows", "rowcast get -o name"]
    blocks = BLOCK.findall(page) if what == "page" else jobs
    script = "\n".join(["set -euo pipefail", *blocks]).replace("/tmp/", f"{tmp_path}/")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    asked = {"ROWCAST_CRUD_URL": str(served.base_url), "XDG_CONFIG_HOME": str(tmp_path), "PATH": path}
    ran = subprocess.run(["bash", "-c", script], cwd=CHECKOUT, env=asked, capture_output=True, text=True, timeout=120)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "appconfigs/shop-staging" in ran.stdout


KEY = RSAKey.generate_key(2048, {"kid": "one"})


class Issuer:
    """What crud asks of an issuer: where its keys are, and which."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.url = ""

    def answer(self, _method: str, path: str, _query: dict[str, list[str]], _body: Any) -> tuple[int, Any]:
        if path.endswith("openid-configuration"):
            return 200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        return 200, {"keys": [KEY.as_dict(private=False)]}

    def token(self, **other: Any) -> str:
        now = int(time.time())
        base = {"iss": self.url, "aud": "rowcast", "sub": "shop", "iat": now, "exp": now + 300}
        return jwt.encode({"alg": "RS256", "kid": "one"}, base | other, KEY)


@pytest.mark.usefixtures("run")
def test_a_job_changes_with_its_own_token_what_the_policy_grants_and_nothing_else(
    serving_url: str, tmp_path: Path
) -> None:
    issuer, row = Issuer(), "name,repository_url,environment\nshop,https://git.example/shop.git,"
    (tmp_path / "policy.csv").write_text("p, ci:shop, rows, *, appconfigs/dev, allow\n")
    with answering(issuer) as port:
        issuer.url = f"http://127.0.0.1:{port}"
        (tmp_path / "issuers.yaml").write_text(
            f"issuers: [{{issuer: '{issuer.url}', audiences: [rowcast], prefix: 'ci:'}}]"
        )
        files = {"policy": tmp_path / "policy.csv", "issuers": tmp_path / "issuers.yaml"}
        settings = make_settings(serving_url, dapr_http_port=1, app_api_token="of-the-sidecar", **files)
        with serving(settings) as crud:
            job = against(str(crud.base_url), tmp_path / "config", ROWCAST_TOKEN=issuer.token())
            known = job("whoami")
            allowed = job("apply", "-f", "-", input=f"{row}dev\n")
            refused = job("apply", "-f", "-", input=f"{row.replace('shop,', 'site,', 1)}prod\n")
            listed = job("get", "-o", "name")
            late = job("get", ROWCAST_TOKEN=issuer.token(exp=int(time.time()) - 600))

    assert (known.code, known.stderr) == (0, "crud takes you for ci:shop\n"), known
    assert allowed.lines == ["appconfigs/shop created"], allowed
    assert (refused.code, "appconfigs/prod" in refused.stderr) == (1, True), refused
    assert listed.lines == ["appconfigs/shop"]
    assert (late.code, "run `rowcast login`, or set ROWCAST_TOKEN" in late.stderr) == (1, True), late


class TestConfigurations(ConfigurationsContract):
    pass


class TestRows(RowsContract):
    pass
