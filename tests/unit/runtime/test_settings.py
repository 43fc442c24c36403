import pytest

from rowcast.runtime.settings import Settings


def test_each_wrong_variable_is_named_on_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROWCAST_HTTP_PORT", "secretive")
    monkeypatch.setenv("DAPR_HTTP_PORT", "-1")
    with pytest.raises(SystemExit) as ended:
        Settings.load()
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.count("\n") == 1
    assert "ROWCAST_HTTP_PORT" in error
    assert "DAPR_HTTP_PORT" in error
    assert error.count("secretive") == 0


def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWCAST_HTTP_PORT", "")
    monkeypatch.setenv("APP_API_TOKEN", "")
    settings = Settings.load()
    assert (settings.http_port, settings.app_api_token) == (8080, None)


def test_dapr_names_its_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAPR_HTTP_PORT", "3501")
    monkeypatch.setenv("DAPR_API_TOKEN", "t")
    settings = Settings.load()
    assert settings.dapr_http_port == 3501
    assert settings.dapr_api_token is not None
    assert "t" not in str(settings.dapr_api_token)
