"""The pages for those who add a part: their code is run, and the files that they name are all and no others."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from rowcast.core.broker import Broker, subscriptions
from rowcast.core.errors import TransientError
from rowcast.crud.routes.audit import AuditEntry, AuditPage

pytestmark = pytest.mark.anyio

CHECKOUT = Path(__file__).parents[2]
PAGES = CHECKOUT / "docs" / "contribute"
BLOCK = re.compile(r"^```python\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (`.+?) \|", re.MULTILINE)
OURS = ("services/rowcast", "ui-streamlit", "tools", "charts/rowcast/charts", "charts/rowcast/templates")


def blocks(page: str) -> dict[str, str]:
    """The code of a page, by the path of the checkout that it is for."""
    return dict(BLOCK.findall((PAGES / f"{page}.md").read_text()))


def named(page: str) -> set[str]:
    """The paths in the tables of a page."""
    rows = ROW.findall((PAGES / f"{page}.md").read_text())
    return {path for row in rows for path in re.findall(r"`([^`]+/[^`]*)`", row)}


def write(page: str, folder: Path) -> Path:
    for path, code in blocks(page).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(code)
    return folder


def where_all_stand(words: tuple[str, ...], endings: tuple[str, ...] = (".py",)) -> set[str]:
    """The files of ours that name all of `words` as texts, tests aside."""
    wanted = [re.compile(rf"[\"']{word}[\"']") for word in words]
    return {
        file.relative_to(CHECKOUT).as_posix()
        for folder in OURS
        for file in (CHECKOUT / folder).rglob("*")
        if file.suffix in endings and all(each.search(file.read_text()) for each in wanted)
    }


def covers(paths: set[str], file: str) -> bool:
    return any(file == path or (path.endswith("/") and file.startswith(path)) for path in paths)


@pytest.mark.parametrize("page", sorted(path.stem for path in PAGES.glob("add-*.md")))
def test_every_file_that_a_page_names_is_there_or_made_by_it(page: str) -> None:
    made = blocks(page)
    assert made
    missing = [
        path for path in named(page) if path not in made and not list(CHECKOUT.glob(re.sub("[A-Z]{4,}", "*", path)))
    ]
    assert missing == []


def test_what_is_made_after_the_page_on_targets_passes_the_contract_of_all_targets(tmp_path: Path) -> None:
    folder = write("add-a-target", tmp_path / "made")
    plugin = tmp_path / "page_of_targets.py"
    plugin.write_text(
        f"import sys\nsys.path[:0] = {[str(CHECKOUT / 'tests'), str(Path(__file__).parent)]!r}\n" + PLUGIN
    )
    asked = ("-k", "folder", *(f"tests/contract/targets/test_{name}.py" for name in ("target_contract", "previews")))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "page_of_targets", "-p", "no:cacheprovider", *asked],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "MADE": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 30


def test_the_page_on_targets_names_every_file_that_tells_targets_apart() -> None:
    # These ask for one kind of target, and leave the others alone.
    of_one = {
        "tools/rowcast_manifests/options.py",
        "ui-streamlit/configurations/view_model.py",
        "services/rowcast/sync/app.py",
        "services/rowcast/crud/renderers/dry_run.py",
        "services/rowcast/crud/routes/dead_letters.py",
        "services/rowcast/core/moves.py",
    }
    files = where_all_stand(("k8s", "git"))
    assert [file for file in sorted(files - of_one) if not covers(named("add-a-target"), file)] == []


def test_the_room_that_is_made_after_its_page_passes_its_test(tmp_path: Path) -> None:
    folder = write("add-a-room", tmp_path)
    settings, test = CHECKOUT / "pyproject.toml", folder / "tests" / "unit" / "ui" / "test_audit_room.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-c", settings, test],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(folder / "ui-streamlit")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_page_on_rooms_reads_what_crud_answers() -> None:
    """The fields that its example takes from an entry are those of the route."""
    taken = set(re.findall(r'item\["(\w+)"\]', blocks("add-a-room")["ui-streamlit/audit/calls.py"]))

    assert taken
    assert taken <= AuditEntry.model_fields.keys()
    assert "items" in AuditPage.model_fields


async def test_the_broker_that_is_made_after_its_page_loses_nothing_and_tells_what_waits(tmp_path: Path) -> None:
    folder = write("add-a-broker", tmp_path)
    made = runpy.run_path(str(folder / "services/rowcast/brokers/spool.py"))
    readers = [(each.topic, each.app_id) for each in subscriptions("test", ("k8s", "git"))]
    broker: Broker = made["SpoolBroker"](tmp_path / "spool", readers)
    assert broker.publisher
    with pytest.raises(TransientError, match="no queue"):
        await broker.publisher.publish("test.public.app_configs", [b"{}"])

    await broker.prepare()
    await broker.publisher.publish("test.public.app_configs", [b"{}", b"{}"])
    await broker.prepare()

    waiting = {topic.name: [(each.name, each.lag) for each in topic.groups] for topic in (await broker.facts()).topics}
    assert waiting["test.public.app_configs"] == [("sync-git", 2), ("sync-k8s", 2)]
    assert waiting.keys() == {topic for topic, _ in readers}
    await broker.aclose()


def test_the_page_on_brokers_names_every_file_that_tells_brokers_apart() -> None:
    files = where_all_stand(("redis", "rabbitmq", "jetstream"), (".py", ".tpl", ".txt", ".json", ".go"))
    assert [file for file in sorted(files) if not covers(named("add-a-broker"), file)] == []


PLUGIN = """
import importlib.util
import os
from pathlib import Path


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, Path(os.environ["MADE"], path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


load("rowcast.sync.targets.folder", "services/rowcast/sync/targets/folder.py")
from contract.targets.places import PLACES  # noqa: E402

PLACES["folder"] = load("contract.targets.folder_place", "tests/contract/targets/folder_place.py").Folder
"""
