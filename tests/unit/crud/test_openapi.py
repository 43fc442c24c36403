from typing import Any

import pytest
from typer.testing import CliRunner

from rowcast.cli import app
from rowcast.crud.app import create_app
from rowcast.crud.settings import CrudSettings


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return create_app(CrudSettings.model_validate({"database_url": "postgresql://nowhere/none"})).openapi()


def test_every_operation_has_its_own_id_and_a_summary(description: dict[str, Any]) -> None:
    operations = [operation for path in description["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations if operation["tags"] == ["configurations"]]
    assert sorted(ids) == sorted(set(ids))
    assert len(ids) == 15


def test_errors_are_described_as_problems(description: dict[str, Any]) -> None:
    answers = description["paths"]["/appconfigs/{id}"]["put"]["responses"]
    assert {"404", "409", "412", "422", "503"} <= answers.keys()
    assert all(list(answers[status]["content"]) == ["application/problem+json"] for status in ("409", "422"))


def test_what_any_operation_may_refuse_is_described(description: dict[str, Any]) -> None:
    for path, operations in description["paths"].items():
        for operation in operations.values():
            refusals = {"401", "413", "429"} & operation["responses"].keys()
            is_open = path in ("/healthz", "/readyz") or path.startswith(("/dapr/", "/events/"))
            assert refusals == (set() if is_open else {"401", "413", "429"}), path
    too_many = description["paths"]["/appconfigs"]["get"]["responses"]["429"]["content"]["application/problem+json"]
    assert too_many["schema"]["$ref"].rpartition("/")[2] in description["components"]["schemas"]


def test_the_fields_say_their_rules(description: dict[str, Any]) -> None:
    name = description["components"]["schemas"]["AppConfigIn"]["properties"]["name"]
    assert name["maxLength"] == 63
    assert name["pattern"].startswith("^[a-z0-9]")


def test_it_says_how_a_caller_shows_who_it_is(description: dict[str, Any]) -> None:
    assert description["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert description["security"] == [{"token": []}, {}]


def test_the_command_prints_it() -> None:
    result = CliRunner().invoke(app, ["crud", "openapi"])
    assert result.exit_code == 0
    assert '"createAppConfig"' in result.stdout
