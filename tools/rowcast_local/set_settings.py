"""Settings of single parts, as `./task up -- --set PART.VARIABLE=VALUE` gives them: kept with the platform."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rowcast_local.errors import LocalError

Settings = Mapping[str, Mapping[str, str]]
"""Variables by the name of a part."""


class SettingError(LocalError):
    """A setting that is none; the text says what one looks like."""


def load_settings(file: Path) -> Settings:
    """Those of a platform that was started before; none where there are none."""
    found: Settings = json.loads(file.read_text()) if file.exists() else {}
    return found


def with_settings(before: Settings, given: Sequence[str], parts: Collection[str]) -> Settings:
    """Those of before with the given ones; an empty value takes one away. Raises SettingError."""
    found = {part: dict(variables) for part, variables in before.items()}
    for one in given:
        name, equals, value = one.partition("=")
        part, _, variable = name.partition(".")
        if not equals or not variable.isidentifier():
            raise SettingError(f"--set {one}: not of the form PART.VARIABLE=VALUE")
        if part not in parts:
            raise SettingError(f"--set {one}: no part {part}; there is {', '.join(sorted(parts))}")
        if value:
            found.setdefault(part, {})[variable] = value
        else:
            found.get(part, {}).pop(variable, None)
    return {part: variables for part, variables in found.items() if variables}
