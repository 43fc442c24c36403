"""What others can do to our objects, on the real API server: by hand, by admission, by finalizers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from contract.targets.kubernetes_place import Kubernetes
from contract.targets.rows import deleted, saved
from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Failed, Result, Target
from rowcast.core.render import Desired
from rowcast.core.row import RowKey, app_config
from rowcast.sync.targets.kubernetes.api import Api
from rowcast_local.platform import Platform

pytestmark = pytest.mark.anyio
A, B = app_config(1), app_config(2)
HUGE = "9" * 5_000
MARKS = ["rowcast.dev/table", "rowcast.dev/row-id", "app.kubernetes.io/managed-by"]
NOTES = ["rowcast.dev/generation", "rowcast.dev/lsn", "rowcast.dev/updated-by"]
BY_HAND = [
    *(f"label {mark}-" for mark in MARKS),
    "label rowcast.dev/row-id=2",
    "label rowcast.dev/row-id=x",
    "label rowcast.dev/table=other",
    "label app.kubernetes.io/managed-by=Helm",
    *(f"annotate {note}-" for note in NOTES),
    "annotate rowcast.dev/generation=²",
    f"annotate rowcast.dev/generation={HUGE}",
    "annotate rowcast.dev/generation=-1",
    "annotate rowcast.dev/generation=4611686018427387904",
    "annotate rowcast.dev/lsn=4611686018427387904",
    "annotate rowcast.dev/updated-by=mallory",
]


class Watched:
    """A target, and the rows of which it has said that somebody touched them."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.touched: list[RowKey] = []
        target.listen(self.touched.append)

    async def outcome(self, desired: Desired) -> str:
        return outcome(await self.deliver(desired))

    async def deliver(self, desired: Desired) -> Result:
        return (await self.target.deliver([desired]))[desired.row]


def outcome(result: Result) -> str:
    assert isinstance(result, Delivered), result
    return str(result.outcome)


def healed(desired: Desired) -> Desired:
    return replace(desired, authoritative=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - between two looks; the condition decides
            await asyncio.sleep(0.02)


@pytest.fixture
def place(api_server: Platform) -> Kubernetes:
    return Kubernetes(api_server.env())


@pytest.fixture
async def watched(place: Kubernetes) -> AsyncIterator[Watched]:
    target = place.target()
    watched = Watched(target)
    await target.start()
    yield watched
    await target.close()


def change(place: Kubernetes, name: str, words: str) -> None:
    verb, what = words.split(" ", 1)
    place.kubectl(verb, "--overwrite", "appconfig", name, what)


def item(place: Kubernetes, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.kubectl("get", "appconfig", name, "-o", "json"))
    return found


def marks(place: Kubernetes, name: str) -> Mapping[str, str]:
    metadata = item(place, name)["metadata"]
    return {**metadata.get("labels", {}), **metadata.get("annotations", {})}


@pytest.mark.parametrize("words", BY_HAND, ids=lambda words: words[:40])
async def test_a_mark_changed_by_hand_is_noticed_and_put_right_and_nothing_is_fenced_off(
    watched: Watched, place: Kubernetes, words: str
) -> None:
    a, b = saved(1, 1, "a"), saved(2, 1, "b")
    for row in (a, b):
        await watched.outcome(row)
    before = marks(place, "a")

    change(place, "a", words)
    await until(lambda: A in watched.touched)
    assert B not in watched.touched
    assert await watched.outcome(healed(b)) == "unchanged"
    assert await watched.outcome(healed(a)) == "configured"
    assert marks(place, "a") == before

    change(place, "a", words)
    assert await watched.outcome(saved(1, 2, "a")) == "configured"
    change(place, "a", words)
    assert await watched.outcome(saved(2, 2, "b")) == "configured"
    assert await watched.outcome(deleted(1, 3, "a")) == "deleted"
    assert set(place.observe()) == {"b"}


@pytest.mark.parametrize("words", BY_HAND, ids=lambda words: words[:40])
async def test_a_mark_changed_while_nobody_looked_keeps_nobody_from_starting_and_is_put_right(
    watched: Watched, place: Kubernetes, words: str
) -> None:
    a, b = saved(1, 1, "a"), saved(2, 1, "b")
    for row in (a, b):
        await watched.outcome(row)
    before = marks(place, "a")
    change(place, "a", words)

    later = place.target()
    await later.start()
    try:
        assert outcome((await later.deliver([saved(2, 2, "b")]))[B]) == "configured"
        assert {held.row for held in await later.inventory()} == {B}
        assert outcome((await later.deliver([healed(a)]))[A]) == "created"
        assert marks(place, "a") == before
    finally:
        await later.close()


async def test_what_somebody_else_made_is_left_alone_though_it_has_odd_marks(
    watched: Watched, place: Kubernetes
) -> None:
    place.plant("theirs")
    change(place, "theirs", f"annotate rowcast.dev/generation={HUGE}")
    change(place, "theirs", "label rowcast.dev/row-id=99999999999999999999")

    result = await watched.deliver(saved(1, 1, "theirs"))

    assert isinstance(result, Failed)
    assert isinstance(result.error, PermanentError)
    assert item(place, "theirs")["spec"]["repository_url"] == "https://theirs"


@pytest.mark.parametrize(
    "branch",
    ["feature/🚀", "é\u0301", "a\u2028b", "a\x85b", "a\ufeffb", "\U0010ffff", "a\\ud83d\\ude00", "\"'#: {[&*!|>%@`"],
)
async def test_whatever_text_the_table_has_arrives_as_it_is(watched: Watched, place: Kubernetes, branch: str) -> None:
    assert await watched.outcome(saved(1, 1, "a", branch=branch, actor=branch)) == "created"

    assert item(place, "a")["spec"]["branch"] == branch
    assert marks(place, "a")["rowcast.dev/updated-by"] == branch
    assert await watched.outcome(healed(saved(1, 1, "a", branch=branch, actor=branch))) == "unchanged"


async def test_a_deletion_is_not_done_while_a_finalizer_keeps_the_object(watched: Watched, place: Kubernetes) -> None:
    await watched.outcome(saved(1, 1, "a"))
    finalizers(place, "a", ["example.com/wait"])

    result = await watched.deliver(deleted(1, 2, "a"))
    assert isinstance(result, Failed)
    assert isinstance(result.error, TransientError)
    assert str(result.error) == "appconfigs/a is being deleted and waits for: example.com/wait"

    # A new row of that name waits too, instead of being taken for delivered and vanishing.
    waits = await watched.deliver(saved(2, 1, "a"))
    assert isinstance(waits, Failed)
    assert isinstance(waits.error, TransientError)

    finalizers(place, "a", [])
    # It depends on who sees first that it is gone.
    assert await watched.outcome(deleted(1, 2, "a")) in {"deleted", "unchanged"}
    assert await watched.outcome(saved(2, 1, "a")) == "created"


async def test_an_object_on_its_way_out_by_hand_is_made_anew_when_it_is_gone(
    watched: Watched, place: Kubernetes
) -> None:
    row = saved(1, 1, "a")
    await watched.outcome(row)
    finalizers(place, "a", ["example.com/wait"])
    place.kubectl("delete", "appconfig", "a", "--wait=false")
    await until(lambda: A in watched.touched)

    assert isinstance(await watched.deliver(healed(row)), Failed)
    watched.touched.clear()
    finalizers(place, "a", [])
    await until(lambda: A in watched.touched)
    assert await watched.outcome(replace(healed(row), supersedes=1)) == "created"


def finalizers(place: Kubernetes, name: str, values: list[str]) -> None:
    place.kubectl("patch", "appconfig", name, "--type=merge", "-p", json.dumps({"metadata": {"finalizers": values}}))


@contextmanager
def admission(place: Kubernetes, kind: str, name: str, spec: dict[str, Any]) -> Iterator[None]:
    """A policy for the place's own namespace."""
    name = f"{name}.{place.namespace}.example.com"
    rules = {
        "resourceRules": [
            {"apiGroups": ["rowcast.dev"], "apiVersions": ["*"], "operations": ["*"], "resources": ["appconfigs"]}
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}},
    }
    objects: list[dict[str, Any]] = [
        {"kind": kind, "metadata": {"name": name}, "spec": {"matchConstraints": rules, **spec}},
        {"kind": f"{kind}Binding", "metadata": {"name": name}, "spec": {"policyName": name}},
    ]
    if kind == "ValidatingAdmissionPolicy":
        objects[1]["spec"]["validationActions"] = ["Deny"]
    for one in objects:
        body = json.dumps({"apiVersion": "admissionregistration.k8s.io/v1", **one})
        place.kubectl("create", "-f", "-", stdin=body)
    try:
        yield
    finally:
        for one in objects:
            place.kubectl("delete", one["kind"], name)


async def test_a_long_refusal_is_kept_in_its_beginning(watched: Watched, place: Kubernetes) -> None:
    words = "no " * 1_500
    validation = {"expression": "false", "message": words.strip()}
    with admission(place, "ValidatingAdmissionPolicy", "long", {"validations": [validation]}):
        async with asyncio.timeout(30):
            row = 0
            while not isinstance(result := await watched.deliver(saved(row := row + 1, 1, f"n{row}")), Failed):
                pass  # the policy takes effect within moments
    assert isinstance(result.error, PermanentError)
    assert 1_000 < len(str(result.error)) < 2_100


async def test_what_admission_makes_of_a_row_is_told_and_not_written_again_at_each_reconcile(
    watched: Watched, place: Kubernetes
) -> None:
    mutation = {
        "patchType": "ApplyConfiguration",
        "applyConfiguration": {"expression": 'Object{spec: Object.spec{branch: "forced"}}'},
    }
    spec = {"mutations": [mutation], "reinvocationPolicy": "Never", "failurePolicy": "Fail"}
    with admission(place, "MutatingAdmissionPolicy", "forced", spec):
        async with asyncio.timeout(30):
            row, trouble = 0, None
            while trouble is None:
                result = await watched.deliver(saved(row := row + 1, 1, f"n{row}"))
                assert isinstance(result, Delivered), result
                trouble = result.trouble
        assert trouble == "the API server has changed what was applied: spec.branch"
        version = place.version()

        again = await watched.deliver(healed(saved(row, 1, f"n{row}")))

        assert outcome(again) == Outcome.UNCHANGED
        assert place.version() == version
        (expected,) = watched.target.expect(saved(row, 1, f"n{row}"))
        assert expected.digest in {held.digest for held in await watched.target.inventory()}


async def test_what_the_api_server_did_without_an_answer_is_told_as_what_was_done(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    does = {name: getattr(Api, name) for name in ("apply", "delete")}

    def loses(name: str) -> Callable[..., Any]:
        async def lost(*given: Any, **named: Any) -> None:
            await does[name](*given, **named)
            raise TransientError("no answer within 2 s")

        return lost

    for wanted, expected in (
        (saved(1, 1, "a"), "created"),
        (saved(1, 2, "a"), "configured"),
        (deleted(1, 3, "a"), "deleted"),
        (saved(1, 4, "a"), "created"),
    ):
        with monkeypatch.context() as patch:
            for name in does:
                patch.setattr(Api, name, loses(name))
            assert isinstance(await watched.deliver(wanted), Failed)
        assert await watched.outcome(replace(wanted, again=True)) == expected
        assert await watched.outcome(wanted) == "unchanged"


async def test_a_webhook_that_never_answers_costs_its_own_row_alone(watched: Watched, place: Kubernetes) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    hook = {
        "name": "silent.example.com",
        "clientConfig": {"url": f"https://127.0.0.1:{port}/"},
        "rules": [
            {"apiGroups": ["rowcast.dev"], "apiVersions": ["*"], "operations": ["*"], "resources": ["appconfigs"]}
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}},
        "matchConditions": [{"name": "chosen", "expression": "request.name == 'bad'"}],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 30,
    }
    name = f"silent.{place.namespace}"
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [hook],
    }
    place.kubectl("create", "-f", "-", stdin=json.dumps(body))
    try:
        async with asyncio.timeout(30):
            row = 100
            while not isinstance(bad := await watched.deliver(saved(row := row + 1, 1, "bad")), Failed):
                await watched.deliver(deleted(row, 2, "bad"))  # the webhook takes effect within moments
        rows = [saved(row + 1, 1, "bad"), *(saved(n, 1, f"n{n}") for n in range(1, 25))]
        results = await watched.target.deliver(rows)
    finally:
        place.kubectl("delete", "validatingwebhookconfiguration", name)
        server.close()

    assert isinstance(bad.error, TransientError)
    assert isinstance(results[app_config(row + 1)], Failed)
    assert {outcome(results[app_config(n)]) for n in range(1, 25)} == {"created"}
