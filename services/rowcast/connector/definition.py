"""The connector's configuration, as it is in the repository: one file, without a single credential."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from rowcast.runtime.exits import UsageError

NAME = "rowcast"
"""The connector, what its topics begin with and its replication slot are called so unless somebody has neighbours."""

_OWN_OPTIONS = {"name": "--name", "topic.prefix": "--topic-prefix", "slot.name": "--slot"}
_FIXED = re.compile(
    r"connector[.]class|tasks[.]max|table[.].*|schema[.].*list|column[.].*|transforms.*|predicates.*"
    r"|plugin[.]name|publication[.].*|snapshot[.]select.*|offset[.].*|lsn[.]flush[.]mode|skipped[.]operations|tombstones[.]on[.]delete"
    r"|time[.]precision[.]mode|decimal[.]handling[.]mode|extended[.]headers[.].*|(key|value)[.]converter.*"
    r"|errors[.]tolerance|event[.]processing[.].*|producer[.]override[.](acks|enable[.]idempotence)"
)
"""What Rowcast relies on: another value would lose events, or make some that it can't read."""
_SECRET = re.compile(r"password|secret|sasl[.]jaas", re.IGNORECASE)
_REFERENCE = re.compile(r"[$][{][a-z]+:[^}]+[}]")


@dataclass(frozen=True)
class Definition:
    """A connector's name and its wanted settings, with references such as `${env:…}` left as they are."""

    name: str
    config: Mapping[str, str]


def read_definition(
    text: str | None = None,
    *,
    name: str | None = None,
    topic_prefix: str = NAME,
    slot: str = NAME,
    settings: Iterable[str] = (),
) -> Definition:
    """Reads a `{"name", "config"}` object, the package's own when no text is given, and puts in what differs here.

    `settings` are texts `key=value`. Raises UsageError for one that isn't, or that Rowcast relies on.
    """
    if text is None:
        text = files(__package__).joinpath("connector.json").read_text()
    content = json.loads(text)
    named = {"topic.prefix": topic_prefix, "slot.name": slot}
    return Definition(name or content["name"], {**content["config"], **named, **dict(map(_setting, settings))})


def _setting(text: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not key or not found:
        raise UsageError(f"--set {text}: write it as key=value")
    if key in _OWN_OPTIONS:
        raise UsageError(f"--set {key}: use {_OWN_OPTIONS[key]}")
    if _FIXED.fullmatch(key):
        raise UsageError(f"--set {key}: Rowcast relies on its value")
    if _SECRET.search(key) and not _REFERENCE.fullmatch(value):
        raise UsageError(f"--set {key}: Connect shows it to everybody; name it by a reference such as ${{env:NAME}}")
    return key, value
