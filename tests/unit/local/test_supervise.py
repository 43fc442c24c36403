import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rowcast_local.paths import State
from rowcast_local.program import Program
from rowcast_local.supervise import Supervisor, alive

SLEEPING = "import time; print('up', flush=True); time.sleep(600)"


def program(name: str, folder: Path, code: str = SLEEPING, *, once: bool = False) -> Program:
    environment = {"GREETING": '50% "quoted"; # no comment'}
    return Program(name, (sys.executable, "-c", code), environment, folder, stop_seconds=2, once=once)


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.create()
    return state


@pytest.fixture
def supervisor(state: State) -> Iterator[Supervisor]:
    supervisor = Supervisor(state)
    yield supervisor
    supervisor.stop()


def pid(supervisor: Supervisor, name: str) -> int | None:
    found = supervisor.states().get(name)
    return found.pid if found else None


def test_a_killed_program_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start([program("sleeper", tmp_path)])
    assert eventually(lambda: pid(supervisor, "sleeper") is not None)
    first = pid(supervisor, "sleeper")
    supervisor.signal_program("sleeper", "KILL")
    assert eventually(lambda: pid(supervisor, "sleeper") not in (None, first))


def test_a_stopped_program_stays_down_until_it_is_started(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start([program("sleeper", tmp_path)])
    assert eventually(lambda: pid(supervisor, "sleeper") is not None)
    supervisor.stop_program("sleeper")
    assert supervisor.states()["sleeper"].state == "STOPPED"
    supervisor.stop_program("sleeper")
    supervisor.start_program("sleeper")
    assert eventually(lambda: pid(supervisor, "sleeper") is not None)


def test_a_program_gets_its_environment_as_it_is_and_its_words_are_kept(
    supervisor: Supervisor, state: State, tmp_path: Path
) -> None:
    code = "import os; print(os.environ['GREETING'], os.getcwd())"
    supervisor.start([program("speaker", tmp_path, code, once=True)])
    log = state.logs / "speaker.log"
    assert eventually(lambda: log.exists() and str(tmp_path) in log.read_text())
    assert log.read_text() == f'50% "quoted"; # no comment {tmp_path}\n'


def test_a_job_that_ended_well_is_not_repeated(supervisor: Supervisor, tmp_path: Path) -> None:
    code = "open('ran', 'a').write('x')"
    supervisor.start([program("job", tmp_path, code, once=True), program("sleeper", tmp_path)])
    assert eventually(lambda: supervisor.states()["job"].state == "EXITED")
    assert (tmp_path / "ran").read_text() == "x"


def test_a_program_waits_for_the_port_that_it_cannot_do_without(supervisor: Supervisor, tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        code = "open('began', 'w')"
        command = (sys.executable, "-c", code)
        waiting = Program("waiting", command, {}, tmp_path, once=True, awaits=(server.getsockname()[1],))
        supervisor.start([waiting, program("other", tmp_path, "open('other', 'w')", once=True)])
        assert eventually((tmp_path / "other").exists)
        assert not (tmp_path / "began").exists()
        server.listen()
        assert eventually((tmp_path / "began").exists)


def test_the_supervisor_s_death_is_its_programs_death(supervisor: Supervisor, state: State, tmp_path: Path) -> None:
    supervisor.start([program("sleeper", tmp_path)])
    log = state.logs / "sleeper.log"
    assert eventually(lambda: log.exists() and "up" in log.read_text())
    sleeper = pid(supervisor, "sleeper")
    assert sleeper is not None
    os.kill(int((state.folder / "supervisord.pid").read_text()), signal.SIGKILL)
    assert eventually(lambda: not alive(sleeper))
    assert not supervisor.running()


def test_stop_ends_every_program_and_leaves_no_socket(supervisor: Supervisor, state: State, tmp_path: Path) -> None:
    supervisor.start([program("one", tmp_path), program("two", tmp_path)])
    assert eventually(lambda: None not in (pid(supervisor, "one"), pid(supervisor, "two")))
    pids = [pid(supervisor, "one"), pid(supervisor, "two")]
    supervisor.stop(last=("two",))
    assert not any(alive(number) for number in pids if number)
    assert not state.sockets.exists()
