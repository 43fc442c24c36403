"""Writes what parts of the chart have alike into their values and schemas, and the chart's copy of the resource type.

What a target of a name of its own may say of its instance is in the root's schema, from that of sync.
`charts/rowcast/charts/common/options/` has each option once: its values with their comments in `NAME.yaml`, its schema
in `schema.json`. A `values.yaml` that has it says so by two lines; what is between them is written by this:

    # options: NAME
    # end of options

`--check` writes nothing, and exits with 1 if a file is not as it should be.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
CHART = CHECKOUT / "charts" / "rowcast"
OPTIONS = CHART / "charts" / "common" / "options"
CRD = "crds/appconfigs.yaml"
_BEGIN = re.compile(r"( *)# options: (\S+)")
_END = "# end of options"
_KEY = re.compile(r"( *)([\w-]+):")
# One schema, two defaults.
_SCHEMA_OF = {"account-if-asked": "account"}


def made() -> dict[Path, str]:
    """Every file that this writes, with its content. Raises ValueError for lines that say what can't be."""
    schemas = json.loads((OPTIONS / "schema.json").read_text())
    files = {CHART / CRD: (CHECKOUT / "services" / "rowcast" / CRD).read_text()}
    for values in (CHART / "values.yaml", *sorted(CHART.glob("charts/*/values.yaml"))):
        lines = list(_with_options(values))
        files[values] = "".join(f"{line}\n" for line, _ in lines)
        schema_file = values.with_name("values.schema.json")
        if schema_file.exists():
            schema = json.loads(schema_file.read_text())
            for line, place in lines:
                if begin := _BEGIN.fullmatch(line):
                    name = begin[2]
                    _properties(schema, place).update(schemas[_SCHEMA_OF.get(name, name)])
            files[schema_file] = json.dumps(schema, indent=2) + "\n"
    root, sync = (json.loads(files[chart / "values.schema.json"]) for chart in (CHART, CHART / "charts" / "sync"))
    target = _properties(root, ("global",))["targets"]["additionalProperties"]["properties"]
    target["sync"]["properties"] = _of_target(sync["properties"], target["kind"]["enum"])
    files[CHART / "values.schema.json"] = json.dumps(root, indent=2) + "\n"
    return files


def _of_target(sync: dict[str, Any], kinds: Sequence[str]) -> dict[str, Any]:
    """What an instance of any kind may say: what all of them have, and what its kind has.

    A schema can't refer to another chart's; which values are of which kind is for the chart's checks.
    """
    found = {name: [schema] for name, schema in sync.items() if name not in ("enabled", "global", *kinds)}
    for kind in kinds:
        for name, schema in sync[kind]["properties"].items():
            if schema not in (known := found.setdefault(name, [])):
                known.append(schema)
    return {name: its[0] if len(its) == 1 else {"anyOf": its} for name, its in sorted(found.items())}


def _with_options(values: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The file's lines as they should be, each with the keys above it."""
    above: list[tuple[int, str]] = []
    indent = ""
    inside = False
    for line in values.read_text().splitlines():
        if inside:
            inside = line != indent + _END
            if inside:
                continue
        if key := _KEY.match(line):
            above = [one for one in above if one[0] < len(key[1])] + [(len(key[1]), key[2])]
        begin = _BEGIN.fullmatch(line)
        depth = len(begin[1]) if begin else 0
        place = tuple(name for level, name in above if level < depth)
        yield line, place
        if begin:
            inside, indent = True, begin[1]
            for option in (OPTIONS / f"{begin[2]}.yaml").read_text().splitlines():
                yield indent + option, place
    if inside:
        raise ValueError(f"{values}: options without {_END!r}")


def _properties(schema: Any, place: tuple[str, ...]) -> dict[str, Any]:
    for name in place:
        schema = schema["properties"][name]
    properties: dict[str, Any] = schema["properties"]
    return properties


def main() -> int:
    """Exit code 0: done, or nothing to do; 1: `--check` found something."""
    files = made()
    stale = [path for path, content in files.items() if path.is_symlink() or path.read_text() != content]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(CHECKOUT)} is not as charts/rowcast/charts/common/options say: run ./task docs")
        return 1 if stale else 0
    for path in stale:
        path.unlink(missing_ok=True)  # a link would be written through
        path.write_text(files[path])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
