"""The images, as they are built: who they run as, what is in them and what isn't, and that each does its work."""

from __future__ import annotations

import os
import stat
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tenacity import retry, retry_if_not_exception_type, stop_after_delay, wait_fixed

from cluster.room import Room
from rowcast_images.catalogue import IMAGES
from rowcast_images.making import build
from rowcast_images.references import version
from rowcast_local.jvm import DEFINITION, read_lock
from rowcast_local.ports import free_ports

pytestmark = pytest.mark.timeout(1800)  # the first test builds what nobody has built before

USER = 10001
# What builds software, or installs it, has no business in an image that runs it.
TOOLS = ("gcc", "cc", "g++", "make", "ld", "javac", "go", "cargo")
FOLDERS = ("usr/bin", "usr/local/bin", "usr/sbin", "opt/rowcast/bin", "opt/java/openjdk/bin")
OWN = {"git-server": {"/srv/git"}, "redis": {"/data"}, "rabbitmq": {"/data"}, "nats": {"/data"}}
BOUNDS_MIB = {
    # Both have the expressions of declarations: 50 of them.
    "services": 570,
    "capture": 650,
    "ui": 520,
    "connect": 280,
    "kafka": 280,
    "postgres": 140,
    "git-server": 160,
    "redis": 120,
    "rabbitmq": 210,
    "nats": 120,
}
# The page's tables go to the browser by libraries that the image has less of than their wheels.
TABLE = """
from pandas import DataFrame
from streamlit.dataframe_util import convert_pandas_df_to_arrow_bytes
print(len(convert_pandas_df_to_arrow_bytes(DataFrame([1]))))
"""

each_image = pytest.mark.parametrize("name", [image.name for image in IMAGES])


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    # By the names that the chart has: one build serves all tests.
    return build(tag=version(), output=tmp_path_factory.mktemp("archives"))


@pytest.fixture(scope="module")
def room(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Room]]:
    rooms: dict[str, Room] = {}
    folder = tmp_path_factory.mktemp("rooms")
    folder.chmod(0o755)

    def unpacked(name: str) -> Room:
        if name not in rooms:
            rooms[name] = Room.unpack(archives[name], folder / name)
        return rooms[name]

    yield unpacked
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


@each_image
def test_an_image_is_the_users_that_pods_run_as(name: str, room: Callable[[str], Room]) -> None:
    assert room(name).config["User"] == f"{USER}:{USER}"
    assert room(name).run("id") == f"uid={USER}(rowcast) gid={USER}(rowcast) groups={USER}(rowcast)\n"


@each_image
def test_an_image_says_its_version_and_the_commit_that_it_is_of(name: str, room: Callable[[str], Room]) -> None:
    labels = room(name).config["Labels"]

    assert labels["org.opencontainers.image.version"] == version()
    assert labels["org.opencontainers.image.revision"] not in ("", "unknown")


@each_image
def test_nothing_in_an_image_can_be_changed_by_its_user(name: str, room: Callable[[str], Room]) -> None:
    root = room(name).root
    found = set()
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, each) for each in (*folders, *files)):
            status = path.lstat()
            open_to_all = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
            if not path.is_symlink() and (status.st_uid == USER or open_to_all):
                found.add(f"/{path.relative_to(root)}")

    assert found == OWN.get(name, set())


@each_image
def test_an_image_has_no_compiler_no_cache_and_no_secret(name: str, room: Callable[[str], Room]) -> None:
    root = room(name).root

    assert [tool for tool in TOOLS for folder in FOLDERS if (root / folder / tool).exists()] == []
    assert not (root / "opt/rowcast/bin/pip").exists()
    for folder in ("run/secrets", "var/lib/apt/lists", "root/.cache", "var/cache/apt/archives"):
        assert not list((root / folder).rglob("*"))


@each_image
def test_an_image_is_no_larger_than_it_should_be(name: str, archives: dict[str, Path]) -> None:
    assert archives[name].stat().st_size / 1024 / 1024 < BOUNDS_MIB[name]


def test_the_same_files_are_not_built_again(archives: dict[str, Path], tmp_path: Path) -> None:
    again = build(["git-server"], tag=version(), output=tmp_path)

    assert again["git-server"].samefile(archives["git-server"])


def test_the_services_have_their_commands_git_and_ssh(room: Callable[[str], Room]) -> None:
    services = room("services")

    assert services.run("rowcast", "--version") == f"rowcast {version()}\n"
    assert "Options" in services.run("rowcast", "sync", "serve", "--help")
    assert "Options" in services.run("rowcast", "crud", "migrate", "--help")
    assert "git version" in services.run("git", "--version")
    assert "OpenSSH" in services.run("ssh", "-V")


def test_the_dashboard_answers(room: Callable[[str], Room], tmp_path: Path) -> None:
    port = next(free_ports())

    with room("ui").running(tmp_path / "log", environment={"STREAMLIT_SERVER_PORT": str(port)}):
        assert answer(f"http://127.0.0.1:{port}/_stcore/health") == "ok"
    assert int(room("ui").run("python", "-c", TABLE)) > 0


@pytest.mark.parametrize("name", ["connect", "kafka"])
def test_connect_and_kafka_are_the_archives_of_local_runs(name: str, room: Callable[[str], Room]) -> None:
    locked = {each.file_name for each in read_lock((DEFINITION / "lock.txt").read_text())}
    kafka = next(name for name in locked if name.startswith("kafka-clients-")).removeprefix("kafka-clients-")

    assert {path.name for path in (room(name).root / "opt/kafka/libs").iterdir()} == locked
    assert room(name).run("java", "kafka.Kafka", "--version").splitlines()[-1] == kafka.removesuffix(".jar")


# As capture starts it, with the settings that the image gives.
ENGINE = """
import os
from pathlib import Path
from rowcast.capture.engine import Java, version
archives = sorted(Path(os.environ["ROWCAST_CAPTURE_JARS"]).glob("*.jar"))
Java(Path(os.environ["ROWCAST_JAVA_HOME"]), archives, 64).start("info")
print(len(archives), version())
"""


def test_capture_has_debeziums_engine_of_the_archives_of_local_runs(room: Callable[[str], Room]) -> None:
    locked = {each.file_name for each in read_lock((DEFINITION / "lock.txt").read_text())}
    engine = next(name for name in locked if name.startswith("debezium-embedded-")).removeprefix("debezium-embedded-")

    assert "Options" in room("capture").run("rowcast", "capture", "serve", "--help")
    said = room("capture").run("python", "-c", ENGINE).splitlines()[-1]
    assert said == f"{len(locked)} {engine.removesuffix('.jar')}"


def test_a_database_can_be_made_and_served(room: Callable[[str], Room], tmp_path: Path) -> None:
    script = """
        initdb --pgdata /tmp/data --username postgres --auth trust --encoding UTF8 --locale C >/dev/null
        postgres -D /tmp/data -c listen_addresses= -c unix_socket_directories=/tmp -c wal_level=logical 2>/tmp/log &
        until pg_isready --host /tmp --quiet; do kill -0 $! || { cat /tmp/log; exit 1; }; done
        psql --host /tmp --username postgres --tuples-only --no-align --command 'SHOW wal_level'
    """
    assert room("postgres").run("sh", "-euc", script).strip() == "logical"


def test_a_git_repository_takes_commits_of_who_has_the_password(room: Callable[[str], Room], tmp_path: Path) -> None:
    port = next(free_ports())
    users = tmp_path / "users"
    users.mkdir()
    (users / "username").write_text("sync")
    (users / "password").write_text("s3:cret")
    settings = {"ROWCAST_GIT_PORT": str(port), "ROWCAST_GIT_CREDENTIALS": "/tmp/mounted"}

    with room("git-server").running(tmp_path / "log", environment=settings, writable=["/srv/git"], mounted=users):
        assert answer(f"http://127.0.0.1:{port}/healthz") == "ok\n"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/rowcast.git/info/refs?service=git-receive-pack")
        url = f"http://sync:s3%3Acret@127.0.0.1:{port}/rowcast.git"
        clone = tmp_path / "clone"
        git("clone", "--quiet", url, str(clone))
        (clone / "file").write_text("content\n" * 500_000)
        git("add", "file", folder=clone)
        git("commit", "--quiet", "--message", "more than fits into one request's buffer", folder=clone)
        git("push", "--quiet", "origin", "HEAD:main", folder=clone)
        head = git("rev-parse", "HEAD", folder=clone)
        assert git("ls-remote", url, "refs/heads/main").split()[0] == head.strip()
        said = log_with(tmp_path / "log", 'sync "POST /rowcast.git/git-receive-pack')

    assert said.startswith("made /srv/git/rowcast.git with the branch main\n")
    assert "cret" not in said


def git(*words: str, folder: Path | None = None) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@retry(stop=stop_after_delay(60), wait=wait_fixed(0.2), reraise=True)
def log_with(log: Path, text: str) -> str:
    """The log, once it has the text: the server writes every few seconds."""
    said = log.read_text()
    assert text in said
    return said


@retry(stop=stop_after_delay(60), wait=wait_fixed(0.2), retry=retry_if_not_exception_type(AssertionError), reraise=True)
def answer(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as response:
        text: str = response.read().decode()
    return text
