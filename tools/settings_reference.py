"""Writes docs/reference/settings.md from the settings' own classes; `--check` says whether it is up to date."""

import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic_core import PydanticUndefined

from rowcast.capture.settings import CaptureSettings
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.settings import Settings, variable_name
from rowcast.sync.settings import SyncSettings

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "settings.md"
HEAD = """# Settings

Every service reads its settings from environment variables. A wrong value ends the service with exit code 2 and
one line that names the variable. `./task docs` writes this page from the code, and a test holds it to it.
"""
SECTIONS: tuple[tuple[str, type[Settings]], ...] = (
    ("All services", Settings),
    ("crud", CrudSettings),
    ("sync, one instance for each target", SyncSettings),
    ("capture, where Kafka Connect doesn't capture, and `rowcast broker`", CaptureSettings),
)


DASHBOARD = """
## dashboard

| variable | default | |
|---|---|---|
| `ROWCAST_LOGIN` | as secrets say | `required`: nobody gets in without a login; `none`: names are typed |
| `ROWCAST_ROLE` | `viewer` | what those are whom no list names: `editor` (the default on the loopback) or `viewer` |
| `ROWCAST_EDITORS` | none | who may change things: addresses, `sub:…`, `group:…`; without a login typed names |
| `ROWCAST_VIEWERS` | none | who may only look, likewise; who is in both lists may only look |
| `ROWCAST_ISSUER` | none | of several providers, the issuer of entries that name none |
| `ROWCAST_LOGIN_HOURS` | `24` | how long a login counts; 0 for as long as its cookie, which is 30 days |
| `ROWCAST_GROUPS_CLAIM` | `groups` | the login's claim that has the groups |
| `ROWCAST_USER` | `anonymous` | the name that people begin with where no login is configured |
| `ROWCAST_COMMIT_URL` | none | address of a commit, with `{commit}` where its hash goes |
| `ROWCAST_DOCS_URL` | this repository's | where the links to the documentation lead |
| `OTEL_EXPORTER_OTLP_ENDPOINT` | none | where the traces of what people save go |
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_section(title, settings) for title, settings in SECTIONS) + DASHBOARD


def _section(title: str, settings: type[Settings]) -> str:
    rows = "\n".join(_rows(settings))
    return f"\n## {title}\n\n| variable | default | |\n|---|---|---|\n{rows}\n"


def _rows(settings: type[Settings]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        if settings is not Settings and name in Settings.model_fields:
            continue
        default = "required" if field.default is PydanticUndefined else f"`{_plain(field.default)}`"
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        yield f"| `{variable_name(settings, name)}` | {default} | {meaning} |"


def _plain(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple) or (isinstance(value, dict) and value):
        return ",".join(map(str, value))
    return str(value)


def main() -> None:
    """Write the page, or compare it."""
    if "--check" in sys.argv and PAGE.read_text() != page():
        raise SystemExit(f"{PAGE.name} is not up to date: run ./task docs")
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
