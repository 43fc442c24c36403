"""What an answer of a forge that is none means to the person who has to act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from rowcast.core.errors import TransientError
from rowcast.sync.forges.client import ForgeClient
from rowcast.sync.forges.registry import repository_in

pytestmark = pytest.mark.anyio


def client(folder: Path, answer: httpx.Response | Exception, token: str = "secret") -> ForgeClient:
    (folder / "token").write_text(token)

    def answered(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    transport = httpx.MockTransport(answered)
    return ForgeClient("https://git.example.com/api", folder / "token", {}, ("Authorization", "token "), transport)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(401, json={"message": "bad"}), r"git.example.com answered 401 \(bad\): the token is wrong"),
        (httpx.Response(403, json={"message": "no scope"}), r"answered 403 \(no scope\): the token lacks"),
        (httpx.Response(404, json={"error": "404 Not Found"}), r"answered 404 \(404 Not Found\): is the repository"),
        (httpx.Response(422, json={"message": "V", "errors": [{"code": "c", "message": "m"}]}), r"422 \(V; m\)$"),
        (httpx.Response(409, json={"message": ["one", "two"]}), r"answered 409 \(one; two\)$"),
        (httpx.Response(502, text="<html>", headers={"content-type": "text/html"}), r"answered 502$"),
        (httpx.Response(500, text="out of  memory"), r"answered 500 \(out of memory\)$"),
        (httpx.Response(503, headers={b"retry-after": b"\xb2"}), r"answered 503$"),
        (
            httpx.Response(403, headers={b"x-ratelimit-remaining": b"0", b"x-ratelimit-reset": b"\xb2"}),
            "answered 403: ",
        ),
        (httpx.Response(200, text="[" * 100_000), "answered GET /x with something else than JSON"),
        (httpx.Response(502, text="[" * 100_000), r"answered 502"),
        (httpx.Response(200, text="hello"), "answered GET /x with something else than JSON"),
        (httpx.ConnectError("refused"), "git.example.com does not answer: refused"),
        (httpx.ReadTimeout(""), "does not answer: ReadTimeout"),
    ],
)
async def test_the_error_has_the_forges_words_and_what_to_do(
    tmp_path: Path, answer: httpx.Response | Exception, words: str
) -> None:
    with pytest.raises(TransientError, match=words) as caught:
        await client(tmp_path, answer).call("GET", "/x")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, lambda _now: {"retry-after": "7"}, 7),
        (503, lambda now: {"retry-after": format_datetime(now + timedelta(hours=1), usegmt=True)}, 3600),
        (403, lambda now: {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(now.timestamp()) + 600)}, 600),
    ],
)
async def test_a_pause_that_the_forge_asks_for_is_passed_on(
    tmp_path: Path, status: int, headers: Callable[[datetime], dict[str, str]], seconds: float
) -> None:
    answer = httpx.Response(status, json={"message": "slow down"}, headers=headers(datetime.now(UTC)))
    with pytest.raises(TransientError, match="it asks for a pause of") as caught:
        await client(tmp_path, answer).call("GET", "/x")
    assert caught.value.retry_after == pytest.approx(seconds, abs=120)


@pytest.mark.parametrize("token", ["", "two\nlines", "ümlaut"])
async def test_what_is_no_token_is_not_sent(tmp_path: Path, token: str) -> None:
    with pytest.raises(TransientError, match="there is no token in"):
        await client(tmp_path, httpx.Response(200, json={}), token).call("GET", "/x")


@pytest.mark.parametrize(
    ("url", "repository"),
    [
        ("https://git.example.com/acme/deployment.git", "acme/deployment"),
        ("https://rowcast:secret@git.example.com/git/acme/deployment/", "acme/deployment"),
        ("ssh://git@git.example.com:2222/acme/deployment.git", "acme/deployment"),
        ("git@git.example.com:acme/deployment.git", "acme/deployment"),
    ],
)
def test_the_repository_is_read_off_gits_url(url: str, repository: str) -> None:
    assert repository_in(url) == repository


def test_a_gitlab_group_may_have_groups() -> None:
    assert repository_in("https://gitlab.com/acme/apps/deployment.git", groups=True) == "acme/apps/deployment"


@pytest.mark.parametrize("url", ["file:///srv/a/b.git", "/srv/repository.git", "https://git.example.com/alone.git"])
def test_a_url_without_owner_and_name_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no owner and name"):
        repository_in(url)
