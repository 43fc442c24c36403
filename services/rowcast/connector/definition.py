"""The connector's configuration, as it is in the repository: one file, without a single credential."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Definition:
    """A connector's name and its wanted settings, with references such as `${env:…}` left as they are."""

    name: str
    config: Mapping[str, str]


def read_definition(text: str | None = None) -> Definition:
    """Reads a `{"name", "config"}` object; the package's own when no text is given."""
    if text is None:
        text = files(__package__).joinpath("connector.json").read_text()
    content = json.loads(text)
    return Definition(content["name"], content["config"])
