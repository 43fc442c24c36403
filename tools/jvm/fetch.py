"""Obtains Java archives by jgo, the pure Python Maven resolver. Runs on its own, with jgo's folder on PYTHONPATH.

    fetch.py resolve        coordinates on stdin → every artifact that they need, one `group:artifact:version` a line
    fetch.py download DIR   artifacts on stdin → each as DIR/<file name>, its name on stdout as soon as it is there;
                            one that is no jar has its packaging as well, `group:artifact:version:tar.gz`

A file appears in DIR only when it is complete; files that are there already are left alone.
`ROWCAST_MAVEN_REPOSITORY` is the address of a mirror to use instead of the resolver's own default.
"""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from jgo.maven import MavenContext  # type: ignore[import-not-found]  # it is in a folder of its own

PARALLEL_DOWNLOADS = 8
ATTEMPTS = 3
TIMEOUT_SECONDS = 60


def context(repository: Path) -> Any:
    """The resolver's context, with `repository` as the folder that it downloads into."""
    mirror = os.environ.get("ROWCAST_MAVEN_REPOSITORY")
    return MavenContext(
        repo_cache=repository,
        local_repos=[],
        remote_repos={"mirror": mirror} if mirror else None,
        timeout=TIMEOUT_SECONDS,
    )


def resolve(wanted: list[str], maven: Any) -> list[str]:
    """The coordinates of all that is needed to run what is wanted, that included, sorted."""
    inputs, transitive = maven.resolver.resolve([maven.create_dependency(each) for each in wanted])
    kept = [each for each in (*inputs, *transitive) if each.scope not in ("test", "provided") and not each.optional]
    odd = [str(each) for each in kept if each.type != "jar" or each.classifier]
    if odd:
        raise SystemExit(f"the lock has no word for classifiers and packagings, but these have some: {odd}")
    return sorted({f"{each.groupId}:{each.artifactId}:{each.version}" for each in kept})


def download(artifact: str, maven: Any, folder: Path) -> str:
    """Puts one archive into the folder and returns its file name. Ends the program after the last attempt."""
    group, name, version, *rest = artifact.split(":")
    packaging = rest[0] if rest else "jar"
    target = folder / f"{name}-{version}.{packaging}"
    for attempt in range(ATTEMPTS):
        if target.exists():
            break
        wanted = maven.project(group, name).at_version(version).artifact(packaging=packaging)
        # jgo takes whatever is in its cache for complete, even what a broken connection left there.
        wanted.cached_path.unlink(missing_ok=True)
        try:
            wanted.resolve().replace(target)
        except Exception as error:
            if attempt + 1 == ATTEMPTS:
                raise SystemExit(f"cannot download {artifact}: {error}") from error
    return target.name


def main() -> None:
    """Does what the first argument says."""
    lines = [line.strip() for line in sys.stdin if line.strip()]
    if sys.argv[1] == "resolve":
        with tempfile.TemporaryDirectory() as scratch:
            print("\n".join(resolve(lines, context(Path(scratch)))))
        return
    folder = Path(sys.argv[2])
    # Beside the files, so that moving one is a rename.
    with tempfile.TemporaryDirectory(dir=folder) as scratch, ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        maven = context(Path(scratch))
        for done in as_completed([pool.submit(download, line, maven, folder) for line in lines]):
            print(done.result(), flush=True)


if __name__ == "__main__":
    main()
