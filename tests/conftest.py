"""The real parts that tests share: one platform for a session, on free ports, in a folder of its own."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import brokers
import fast
import keycloak_server
import leaving_out
import sharing
from keycloak_server import Keycloak
from rowcast_local.platform import Platform
from world import World

LONGEST = (*sharing.PLATFORMS, "tests/pythons/", "tests/contract/", "tests/packaging/", "tests/integration/")
"""What begins first, where workers share the tests: with the shortest last, they end together."""

_PLATFORMS = pytest.StashKey["Platforms"]()

# How long an example takes is the machine's affair.
settings.register_profile("rowcast", deadline=None)
settings.register_profile("few", deadline=None, max_examples=5)  # where a property is run, and not searched
settings.register_profile("fast", deadline=None, max_examples=20)  # by --fast: the whole suite searches further
settings.load_profile("rowcast")

FOR_TESTS = ("ROWCAST_CACHE", "ROWCAST_CLUSTER", "ROWCAST_MAVEN_REPOSITORY", "ROWCAST_PICTURES")
PARTLY_OURS = ("KUBECONFIG", "DAPR_HTTP_PORT", "DAPR_API_TOKEN", "APP_API_TOKEN")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--fast`, as `./task test -- --fast` gives it, and which PostgreSQL the tests of crud are run on."""
    what = "only what starts nothing: units, and contracts on fakes; by ./task with lint, in two minutes on two cores"
    parser.getgroup("rowcast").addoption("--fast", action="store_true", help=what)
    on = "run tests/integration/crud on an older PostgreSQL, by its major version, as 14"
    parser.getgroup("rowcast").addoption("--postgres", metavar="MAJOR", help=on)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What `--fast` has no test of isn't even imported."""
    return True if config.getoption("fast") and fast.outside(collection_path) else None


def pytest_configure(config: pytest.Config) -> None:
    """What `eval "$(./task -s env)"` has left in a shell would tell the services under test of its platform.

    Bytecode is kept, as by `./task` (`tools/bootstrap.py`): here, in the workers, and in what the tests start.
    """
    sys.dont_write_bytecode = False
    # A server in a thread outlives the standard output that a test's command had: its log is nobody's standard error.
    logging.raiseExceptions = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    config.addinivalue_line("markers", brokers.MARKER)
    if config.getoption("fast"):
        settings.load_profile("fast")
    for name in [*os.environ]:
        if name in PARTLY_OURS or (name.startswith("ROWCAST_") and name not in FOR_TESTS):
            del os.environ[name]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> sharing.Grouped:
    """Take the place of whatever `--dist` names."""
    return sharing.Grouped(config, log)


def pytest_report_header() -> list[str]:
    """What this machine hasn't, before anything runs."""
    return [line for line in [leaving_out.header()] if line]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was left out, and why, after everything else."""
    if lines := leaving_out.summary(terminalreporter.getreports("skipped")):
        terminalreporter.section("left out on this machine")
    for line in lines:
        terminalreporter.write_line(line)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What this machine can't run is left out before a platform is started for it; whose tests are over, rests."""
    leaving_out.before(item)
    made = item.config.stash.get(_PLATFORMS, None)
    if made is None:
        return
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "platform" in callspec.params:
        made.up(callspec.params["platform"])  # the fixture is of the session, and does not know of its rest
    elif not item.nodeid.startswith(sharing.ON_THE_PLATFORM) or item.nodeid.startswith(sharing.OF_THEIR_OWN):
        made.rest()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Schemathesis' tests of one function bear the operation in their name, and with pytest 9.2 not in their id."""
    operation = getattr(item, "operation_label", None)
    if operation is not None and item.id.params is None:
        item._id = item.id.with_params(operation)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is asked for; the longest first, where there are several workers."""
    if twice := [nodeid for nodeid, count in Counter(item.nodeid for item in items).items() if count > 1]:
        raise pytest.UsageError(f"several tests of one id, of which workers (-n) would run a single one: {twice}")
    if config.getoption("fast"):
        config.hook.pytest_deselected(items=[item for item in items if not fast.is_fast(item.nodeid)])
        items[:] = [item for item in items if fast.is_fast(item.nodeid)]
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _begins(item.nodeid))


def _begins(nodeid: str) -> int:
    return next((place for place, path in enumerate(LONGEST) if nodeid.startswith(path)), len(LONGEST))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whatever uses the platform runs on Kafka's, and what is marked for others on each of them; one is up at a time.

    All tests of one platform run together, whichever files they are in.
    """
    if "platform" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("platforms")
        names = mark.args if mark else (brokers.KAFKA,)
        ids = [pytest.HIDDEN_PARAM if name == brokers.KAFKA else name for name in names]
        metafunc.parametrize("platform", names, ids=ids, indirect=True, scope="session")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


class Platforms:
    """One platform at a time, which stays until another is asked for; it rests while other tests run."""

    def __init__(self) -> None:
        self._name = ""
        self._running: Platform | None = None

    def rest(self) -> None:
        """Stops it and keeps its data: idle, it takes a third of a core from whatever else is tested."""
        if self._running is not None and self._running.running:
            self._running.stop()

    def up(self, name: str) -> Platform:
        """That one (of brokers.PLATFORMS), ready."""
        if self._running is not None and name == self._name and not self._running.running:
            self._running.start()
            self._running.wait_ready()
        if self._running is None or name != self._name:
            self.down()
            folder = Path(tempfile.mkdtemp(prefix=f"rowcast-test-{name}-"))
            self._name, self._running = name, Platform(folder, free_ports=True, **brokers.PLATFORMS[name])
            try:
                self._running.start()
                self._running.wait_ready()
            except BaseException:
                self.down()
                raise
        return self._running

    def down(self) -> None:
        """Nothing is left of it but its logs."""
        running, self._running = self._running, None
        if running is None:
            return
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        keep = Path(__file__).parents[1] / ".test-logs" / worker / self._name
        shutil.rmtree(keep, ignore_errors=True)
        if running.state.logs.exists():
            shutil.copytree(running.state.logs, keep)
        running.destroy()


@pytest.fixture(scope="session")
def platforms(request: pytest.FixtureRequest) -> Iterator[Platforms]:
    """For tests of which only some need a platform."""
    made = request.config.stash[_PLATFORMS] = Platforms()
    yield made
    made.down()


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest, platforms: Platforms) -> Platform:
    """Every part, running and ready. Tests that need one part alone take their own corner of it."""
    return platforms.up(request.param)


@pytest.fixture(scope="session")
def api_server() -> Iterator[Platform]:
    """The platform's API server with its etcd and nothing else, for tests that need no more: it is there in seconds."""
    made = Platform(
        Path(tempfile.mkdtemp(prefix="rowcast-api-")), free_ports=True, without=brokers.BESIDE_THE_API_SERVER
    )
    try:
        made.start()
        assert {*made.parts} == {"etcd", "kube-apiserver"}
        made.wait_ready()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    """The session's identity provider; `provider` is the one that is there."""
    with keycloak_server.keycloak(tmp_path_factory.mktemp("keycloak")) as server:
        yield server


@pytest.fixture(scope="module")
def provider(keycloak: Keycloak) -> Keycloak:
    """A real identity provider that answers, with people: started again where another file has stopped it."""
    keycloak.start()
    return keycloak


@pytest.fixture
def world(platform: Platform) -> World:
    """The whole platform, seen from outside; other tests' rows may be there: the three places are compared whole."""
    return World(platform.env())
