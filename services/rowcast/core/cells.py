"""What a cell of CSV stands for, in exports and in what is read of them again. Pure."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that a spreadsheet would run."""
MARKED = tuple(f"'{first}" for first in (*FORMULA, "'"))
"""How such a text begins in a file, and one that would look like it."""


def of_cell(cell: str) -> str | None:
    """The text of a cell; None for NULL, which an empty one is. A `'` alone stands for an empty text."""
    return cell[1:] if cell == "'" or cell.startswith(MARKED) else cell or None
