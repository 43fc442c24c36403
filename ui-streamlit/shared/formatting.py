"""How the dashboard says things: times, spans, targets, sentences, and what others wrote. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

TARGETS: Final[Mapping[str, str]] = {"k8s": "Kubernetes", "git": "Git"}


def target_label(target: str) -> str:
    """Return a target's name for people."""
    return TARGETS.get(target, target)


def plain(text: str) -> str:
    """Return Markdown that shows `text` as it is: what people and servers write is no markup (or picture) of ours."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def plain_lines(lines: Iterable[str]) -> str:
    """Return a Markdown list of texts, each shown as it is; what they begin with (`- `) is the list's."""
    return "\n" + "\n".join(f"- {plain(line.removeprefix('- '))}" for line in lines)


def ago(then: datetime, now: datetime) -> str:
    """Return how long before `now` a moment was, in one unit; a clock that is ahead counts as now."""
    seconds = max(0, int((now - then).total_seconds()))
    if seconds < 10:
        return "just now"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (10, "s")):
        if seconds >= size:
            return f"{seconds // size * (10 if unit == 's' else 1)} {unit} ago"
    raise AssertionError("unreachable: every number of seconds from 10 has a unit")


def duration(span: timedelta) -> str:
    """Return a span as people say it: 43 ms, 1.2 s, 5 min."""
    milliseconds = max(0, round(span.total_seconds() * 1000))
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    if milliseconds < 3_600_000:
        return f"{milliseconds // 60_000} min"
    return f"{milliseconds // 3_600_000} h"


def counted(count: int, what: str) -> str:
    """Return a number of things: `1 row`, `1,204 rows`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def shown_range(page_number: int, limit: int, shown: int, total: int, capped: bool = False) -> str:
    """Return which rows of how many are in sight, page_number counting from 0; `capped`: there are more of them."""
    if not shown:
        return f"0 of {total:,}"
    first = page_number * limit + 1
    return f"{first:,}-{first + shown - 1:,} of {total:,}{'+' if capped else ''}"


def sentence(text: str) -> str:
    """Return `text` as a sentence: crud's messages are clauses, as an API's are."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def brief(text: str) -> str:
    """Return a server's words as one sentence, without the answer in JSON that one server quotes of another."""
    return re.sub(r"[:\s]*(\d{3}:)?\s*\{.*", "", text.strip(), flags=re.DOTALL).rstrip(".") + "."
