"""What holds for every broker, seen at the real server and through a real daprd with the platform's own component."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contract.brokers.native import TARGETS, ask, facts, group, prepare, topic
from contract.brokers.servers import KINDS, Server, server
from contract.brokers.sidecar import Application, event, sidecar
from rowcast.brokers import connect
from rowcast.brokers.cli import app
from rowcast.core.broker import subscriptions
from rowcast.core.errors import PermanentError, TransientError
from world import wait_until

pytestmark = pytest.mark.parametrize("broker", KINDS, indirect=True, scope="module")
CHANGES = "public.app_configs"


MIB = 1024 * 1024
TAKEN_MIB = {"redis": 8, "rabbitmq": 8, "jetstream": 3.9, "kafka": 0.9}
"""What each takes as it is set here, in MiB."""
TOLD = {
    "redis": {"messages", "bytes", "oldest_at"},
    "rabbitmq": set(),
    "jetstream": {"messages", "bytes", "oldest_at", "retention_seconds"},
    "kafka": {"messages", "bytes", "oldest_at", "retention_seconds"},
}
"""What each tells of a topic."""
SOONER = {"redis": {"processingTimeout": "2s", "redeliverInterval": "1s"}}
"""What a test need not wait for as long as the platform does: only that it comes."""
REFUSED_MIB = {"redis": 17, "rabbitmq": 17, "jetstream": 4.1, "kafka": 2}
"""What is refused: by the server, or where that would take more, by the sidecar."""


def settled(broker: Server, prefix: str, name: str, reader: str, lag: int) -> None:
    """A group that nobody has ever been in has no coordinator yet, with Kafka: that passes."""

    def holds() -> bool:
        try:
            return group(broker, prefix, name, reader).lag == lag
        except TransientError as error:
            raise OSError(str(error)) from error

    wait_until(holds)


def test_what_is_published_before_its_reader_first_comes_arrives_in_order_and_once(
    broker: Server, prefix: str, tmp_path: Path
) -> None:
    prepare(broker, prefix)
    with sidecar(broker, "capture", tmp_path, prefix) as capture:
        for number in range(20):
            assert capture.publish(f"{prefix}.{CHANGES}", event(number)).is_success
    reader = Application([f"{prefix}.{CHANGES}"])
    with sidecar(broker, "sync-k8s", tmp_path, prefix, reader):
        wait_until(lambda: len(reader.seen) >= 20, lambda: str(reader.data))
        assert sorted(reader.data) == list(range(20))


def test_preparing_twice_keeps_messages_and_places(broker: Server, prefix: str, tmp_path: Path) -> None:
    prepare(broker, prefix)
    reader = Application([f"{prefix}.{CHANGES}"])
    with sidecar(broker, "capture", tmp_path, prefix) as capture:
        capture.publish(f"{prefix}.{CHANGES}", event(1))
        with sidecar(broker, "sync-k8s", tmp_path, prefix, reader):
            wait_until(lambda: reader.data == [1])
            settled(broker, prefix, CHANGES, "sync-k8s", 0)
        capture.publish(f"{prefix}.{CHANGES}", event(2))
        prepare(broker, prefix)
        with sidecar(broker, "sync-k8s", tmp_path, prefix, reader):
            wait_until(lambda: 2 in reader.data)
    # Once more, if its sidecar was killed before the broker had heard the answer.
    assert reader.data.count(1) <= 2


def test_the_facts_say_how_much_waits_for_whom(broker: Server, prefix: str, tmp_path: Path) -> None:
    prepare(broker, prefix)
    reader = Application([f"{prefix}.{CHANGES}"])
    with sidecar(broker, "capture", tmp_path, prefix) as capture:
        for number in range(3):
            capture.publish(f"{prefix}.{CHANGES}", event(number))
        settled(broker, prefix, CHANGES, "sync-k8s", 3)
        settled(broker, prefix, CHANGES, "sync-git", 3)
        with sidecar(broker, "sync-k8s", tmp_path, prefix, reader):
            settled(broker, prefix, CHANGES, "sync-k8s", 0)
            settled(broker, prefix, CHANGES, "sync-git", 3)
            assert group(broker, prefix, CHANGES, "sync-k8s").consumers != 0
    changes = topic(broker, prefix, CHANGES)
    assert changes.messages in (3, None)
    assert {each.name for each in facts(broker, prefix).topics} == {e.topic for e in subscriptions(prefix, TARGETS)}


def test_of_a_topic_the_facts_have_all_that_the_broker_tells(broker: Server, prefix: str, tmp_path: Path) -> None:
    prepare(broker, prefix)
    with sidecar(broker, "capture", tmp_path, prefix) as capture:
        capture.publish(f"{prefix}.{CHANGES}", event(1, "x" * 1000))
    settled(broker, prefix, CHANGES, "sync-k8s", 1)
    changes = topic(broker, prefix, CHANGES)
    told = {
        name for name in ("messages", "bytes", "oldest_at", "retention_seconds") if getattr(changes, name) is not None
    }
    assert told == TOLD[broker.kind]
    assert changes.bytes is None or changes.bytes > 1000
    assert changes.oldest_at is None or abs(datetime.now(UTC) - changes.oldest_at) < timedelta(minutes=2)
    assert (facts(broker, prefix).version is None) == (broker.kind == "kafka")


def test_a_broker_that_is_killed_and_comes_again_has_kept_everything(
    broker: Server, prefix: str, tmp_path: Path
) -> None:
    prepare(broker, prefix)
    with sidecar(broker, "capture", tmp_path, prefix) as capture:
        for number in range(5):
            assert capture.publish(f"{prefix}.{CHANGES}", event(number)).is_success
    broker.kill()
    broker.start()
    reader = Application([f"{prefix}.{CHANGES}"])
    with sidecar(broker, "sync-k8s", tmp_path, prefix, reader):
        wait_until(lambda: set(reader.data) == set(range(5)), lambda: str(reader.data))


def test_who_stays_connected_goes_on_when_the_broker_is_back(broker: Server, prefix: str, tmp_path: Path) -> None:
    prepare(broker, prefix)
    reader = Application([f"{prefix}.{CHANGES}"])
    with (
        sidecar(broker, "sync-k8s", tmp_path, prefix, reader),
        sidecar(broker, "capture", tmp_path, prefix) as capture,
    ):
        capture.publish(f"{prefix}.{CHANGES}", event(1))
        wait_until(lambda: reader.data == [1])
        broker.kill()
        broker.start()
        wait_until(lambda: capture.publish(f"{prefix}.{CHANGES}", event(2)).is_success)
        wait_until(lambda: 2 in reader.data, lambda: str(reader.data))


def test_a_reader_that_comes_before_anything_is_prepared_reads_once_it_is(
    broker: Server, prefix: str, tmp_path: Path
) -> None:
    reader = Application([f"{prefix}.{CHANGES}"])
    with sidecar(broker, "sync-k8s", tmp_path, prefix, reader):
        prepare(broker, prefix)
        with sidecar(broker, "capture", tmp_path, prefix) as capture:
            capture.publish(f"{prefix}.{CHANGES}", event(1))
            wait_until(lambda: reader.data == [1])


def test_two_platforms_on_one_broker_do_not_meet(broker: Server, prefix: str, tmp_path: Path) -> None:
    mine, other = prefix, f"{prefix}other"
    prepare(broker, mine)
    prepare(broker, other)
    readers = {name: Application([f"{name}.{CHANGES}"]) for name in (mine, other)}
    with (
        sidecar(broker, "sync-k8s", tmp_path, mine, readers[mine]),
        sidecar(broker, "sync-k8s", tmp_path, other, readers[other]),
        sidecar(broker, "capture", tmp_path, mine) as capture,
        sidecar(broker, "capture", tmp_path, other) as other_capture,
    ):
        capture.publish(f"{mine}.{CHANGES}", event(1))
        other_capture.publish(f"{other}.{CHANGES}", event(2))
        wait_until(lambda: bool(readers[mine].seen and readers[other].seen))
    assert (readers[mine].data, readers[other].data) == ([1], [2])
    assert {each.name.partition(".")[0] for each in facts(broker, mine).topics} == {mine}


def test_a_reader_that_says_later_is_asked_until_it_takes_it(broker: Server, prefix: str, tmp_path: Path) -> None:
    prepare(broker, prefix)
    reader = Application([f"{prefix}.{CHANGES}"])
    reader.answer = lambda _: "RETRY" if len(reader.seen) < 6 else "SUCCESS"
    with (
        sidecar(broker, "capture", tmp_path, prefix) as capture,
        sidecar(broker, "sync-k8s", tmp_path, prefix, reader),
    ):
        capture.publish(f"{prefix}.{CHANGES}", event(1))
        wait_until(lambda: len(reader.seen) == 6)
        settled(broker, prefix, CHANGES, "sync-k8s", 0)
    assert reader.data == [1] * 6


def test_what_a_killed_sidecar_had_taken_comes_to_the_next_one(broker: Server, prefix: str, tmp_path: Path) -> None:
    prepare(broker, prefix)
    first = Application([f"{prefix}.{CHANGES}"], answer=lambda _: "RETRY")
    second = Application([f"{prefix}.{CHANGES}"])
    with (
        sidecar(broker, "capture", tmp_path, prefix) as capture,
        sidecar(broker, "sync-k8s", tmp_path, prefix, first) as killed,
    ):
        for number in range(3):
            capture.publish(f"{prefix}.{CHANGES}", event(number))
        wait_until(lambda: bool(first.seen))
        killed.kill()
        with sidecar(broker, "sync-k8s", tmp_path, prefix, second, metadata=SOONER.get(broker.kind)):
            wait_until(lambda: set(second.data) == {0, 1, 2}, lambda: str(second.data))


def test_a_message_too_large_is_refused_and_the_next_one_passes(broker: Server, prefix: str, tmp_path: Path) -> None:
    prepare(broker, prefix)
    topic_name = f"{prefix}.{CHANGES}"
    with sidecar(broker, "capture", tmp_path, prefix) as capture:
        taken = capture.publish(topic_name, event(1, "x" * int(TAKEN_MIB[broker.kind] * MIB)))
        refused = capture.publish(topic_name, event(2, "x" * int(REFUSED_MIB[broker.kind] * MIB)))
        after = capture.publish(topic_name, event(3))
    assert (taken.status_code, refused.status_code, after.status_code) == (204, 500, 204)
    settled(broker, prefix, CHANGES, "sync-k8s", 2)


def test_the_command_prepares_and_shows(broker: Server, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BROKER": broker.kind, "BROKER_URL": broker.url, "TOPIC_PREFIX": prefix}.items():
        monkeypatch.setenv(f"ROWCAST_{name}", value)
    rowcast = CliRunner()
    prepared = rowcast.invoke(app, ["prepare"])
    assert (prepared.exit_code, prepared.stdout) == (
        0,
        f"{broker.kind}: all that Rowcast's readers need is there\n",
    ), prepared.output
    settled(broker, prefix, CHANGES, "sync-k8s", 0)
    shown = rowcast.invoke(app, ["status", "-o", "json"])
    topics = {topic["name"] for topic in json.loads(shown.stdout)["topics"]}
    assert topics == {each.topic for each in subscriptions(prefix, TARGETS)}
    assert f"{prefix}.{CHANGES}" in rowcast.invoke(app, ["status"]).stdout


@pytest.fixture
def impatient(broker: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits a second for an answer, not ten: there is nobody who could give one."""
    name, value = ("_MILLISECONDS", 1000) if broker.kind == "kafka" else ("SECONDS", 1.0)
    monkeypatch.setattr(f"rowcast.brokers.{broker.kind}.{name}", value)


@pytest.mark.usefixtures("impatient")
def test_the_command_gives_up_in_time_on_one_that_does_not_answer(
    broker: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = server(broker.kind, tmp_path)
    for name, value in {"BROKER": gone.kind, "BROKER_URL": gone.url}.items():
        monkeypatch.setenv(f"ROWCAST_{name}", value)
    given_up = CliRunner().invoke(app, ["prepare", "--timeout", "0.1"])
    assert given_up.exit_code == 3
    assert "does not answer" in given_up.stderr


@pytest.mark.usefixtures("impatient")
def test_one_that_does_not_answer_is_transient_and_says_where(broker: Server, tmp_path: Path, prefix: str) -> None:
    gone = server(broker.kind, tmp_path)
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:\d+ does not answer"):
        ask(gone, prefix, lambda each: each.facts())


def test_a_url_of_another_kind_is_permanent_and_shows_no_password(broker: Server, prefix: str) -> None:
    with pytest.raises(PermanentError, match="must be") as raised:
        ask(broker, prefix, lambda each: each.facts(), "ftp://someone:secret@127.0.0.1:1")
    assert "secret" not in str(raised.value)


def test_the_url_may_be_in_a_file(broker: Server, prefix: str, tmp_path: Path) -> None:
    file = tmp_path / "url"
    with pytest.raises(TransientError, match="No such file"):
        ask(broker, prefix, lambda each: each.prepare(), file)
    file.write_text(broker.url + "\n")
    ask(broker, prefix, lambda each: each.prepare(), file)
    assert connect(broker.kind, file, None, prefix, TARGETS).kind == broker.kind  # type: ignore[arg-type]
