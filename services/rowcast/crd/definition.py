"""The definitions that this version of Rowcast comes with."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

import rowcast


def read_definitions() -> list[dict[str, Any]]:
    """Every CustomResourceDefinition, as the package has it."""
    folder = files(rowcast).joinpath("crds")
    sources = sorted((one for one in folder.iterdir() if one.name.endswith(".yaml")), key=lambda one: one.name)
    return [yaml.safe_load(one.read_text()) for one in sources]
