from __future__ import annotations

import json
from pathlib import Path

from rowcast.renderers.json_schema import json_schema

FILE = Path(__file__).parents[3] / "docs" / "reference" / "renderer.schema.json"


def test_the_file_is_the_schema_that_the_command_prints() -> None:
    assert json.loads(FILE.read_text()) == json_schema(), "run ./task docs"
