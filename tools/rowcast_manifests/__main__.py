"""`python -m rowcast_manifests [--check]`: writes the made files, or tells which are not as the chart makes them."""

import argparse
import shutil
import sys
from pathlib import Path, PurePosixPath

from rowcast_local.paths import CHECKOUT
from rowcast_local.provision.tools import tool
from rowcast_manifests.chart import RenderingError, portable, render
from rowcast_manifests.tree import Files, files

CHART = CHECKOUT / "charts" / "rowcast"
FOLDERS = ("kustomize/base", "kustomize/components", "dapr-components/cluster")


def wanted(helm: Path) -> Files:
    """The made files as the chart makes them now. Raises RenderingError."""
    return files(lambda values: [portable(manifest) for manifest in render(helm, CHART, values)])


def present() -> Files:
    """The files that are in the folders of made files."""
    found = (path for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*") if path.is_file())
    return {PurePosixPath(path.relative_to(CHECKOUT)): path.read_text() for path in found}


def stale(wanted: Files, present: Files) -> list[str]:
    """The paths that are missing, different, or there without being made any more."""
    return sorted(str(path) for path in {*wanted, *present} if wanted.get(path) != present.get(path))


def main() -> int:
    """Exit code 0: done, or nothing to do; 1: `--check` found something, or Helm refused."""
    parser = argparse.ArgumentParser(prog="rowcast_manifests", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not as it should be")
    arguments = parser.parse_args()
    try:
        made = wanted(tool("helm"))
    except RenderingError as error:
        print(f"manifests: {error}", file=sys.stderr)
        return 1
    paths = stale(made, present())
    if arguments.check:
        print("\n".join(paths) or "manifests: all as the chart makes them")
        return 1 if paths else 0
    _write(made)
    print(f"manifests: {len(made)} files, {len(paths)} of them changed")
    return 0


def _write(made: Files) -> None:
    for folder in FOLDERS:
        shutil.rmtree(CHECKOUT / folder, ignore_errors=True)
    for path, content in made.items():
        file = CHECKOUT / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


if __name__ == "__main__":
    raise SystemExit(main())
