"""Figures as people say them."""

from datetime import timedelta


def duration(span: timedelta) -> str:
    """For people: `8 s`, `12 min`, `3 h`, `2 d`."""
    seconds = max(0, round(span.total_seconds()))
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def size(count: int | None) -> str:
    """For people: `300 B`, `12 MiB`."""
    value, unit = float(count or 0), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}"


def count(number: int, thing: str) -> str:
    """For people: `1 row`, `2,000 rows`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
