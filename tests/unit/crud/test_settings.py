import pytest

from rowcast.core.promotion import Promotion
from rowcast.crud.settings import CrudSettings


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_database_url_may_name_any_driver(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("ROWCAST_DATABASE_URL", f"{scheme}://u:p%40ss@db:5433/rowcast?sslmode=require")
    url = CrudSettings.load().sqlalchemy_url
    assert (url.drivername, url.password, url.port) == ("postgresql+psycopg2", "p@ss", 5433)
    assert url.query["sslmode"] == "require"


@pytest.mark.parametrize("value", ["", "mysql://x/y", "no url"])
def test_a_wrong_database_url_ends_the_process_and_names_the_variable_but_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    monkeypatch.setenv("ROWCAST_DATABASE_URL", value)
    with pytest.raises(SystemExit) as ended:
        CrudSettings.load()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "ROWCAST_DATABASE_URL" in error
    assert not value or value not in error


def test_targets_are_a_list_with_commas_and_what_is_not_called_as_its_kind_says_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROWCAST_DATABASE_URL", "postgresql://x/y")
    assert CrudSettings.load().targets == ("k8s", "git")
    monkeypatch.setenv("ROWCAST_TARGETS", "us=k8s, git, eu = k8s,")
    settings = CrudSettings.load()
    assert settings.targets == ("us", "git", "eu")
    assert settings.target_kinds == {"us": "k8s", "git": "git", "eu": "k8s"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("k8s,eu", "eu is not called as a kind of target is (k8s, git), so its kind has to be said; write eu=k8s or"),
        ("eu=swarm", "'swarm' is no kind of target; there are k8s and git"),
        ("git=k8s", "git is the name of a target of the kind git, not k8s"),
        ("E_U=k8s", "'E_U' is not a DNS-1123 label of 58 characters at most"),
        ("k8s,k8s", "k8s is named twice"),
    ],
)
def test_targets_that_cannot_be_are_refused_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str, said: str
) -> None:
    monkeypatch.setenv("ROWCAST_DATABASE_URL", "postgresql://x/y")
    monkeypatch.setenv("ROWCAST_TARGETS", value)
    with pytest.raises(SystemExit):
        CrudSettings.load()
    error = capsys.readouterr().err
    assert error.startswith("rowcast: invalid configuration: ROWCAST_TARGETS: ")
    assert said in error


def test_connect_cannot_capture_for_a_broker_other_than_kafka(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROWCAST_DATABASE_URL", "postgresql://x/y")
    monkeypatch.setenv("ROWCAST_BROKER", "redis")
    with pytest.raises(SystemExit):
        CrudSettings.load()
    error = capsys.readouterr().err
    assert "ROWCAST_BROKER=redis needs ROWCAST_CAPTURE=engine: Kafka Connect publishes to Kafka alone" in error
    monkeypatch.setenv("ROWCAST_CAPTURE", "engine")
    assert CrudSettings.load().broker == "redis"


def test_configurations_are_promoted_in_the_order_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWCAST_DATABASE_URL", "postgresql://x/y")
    assert CrudSettings.load().promotion_of_configurations is None
    monkeypatch.setenv("ROWCAST_PROMOTION", '{"order": ["dev", "prod"], "gates": {"healthy": "30m"}}')
    promotion = Promotion(("application",), "environment", ("dev", "prod"), ("branch",), 1800)
    assert CrudSettings.load().promotion_of_configurations == promotion


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("dev, prod", "must be JSON"),
        ("[]", "must be a mapping"),
        ('{"order": ["dev"]}', "order: must have two places at least"),
        ('{"order": ["dev", "prod"], "fields": ["name"]}', "fields: name is none of branch, repository_url"),
        ('{"order": ["dev", "prod"], "along": "name"}', "along: name is none of environment"),
    ],
)
def test_a_promotion_that_can_not_be_ends_the_process_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str, said: str
) -> None:
    monkeypatch.setenv("ROWCAST_DATABASE_URL", "postgresql://x/y")
    monkeypatch.setenv("ROWCAST_PROMOTION", value)
    with pytest.raises(SystemExit):
        CrudSettings.load()
    assert said in capsys.readouterr().err
