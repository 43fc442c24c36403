"""What the witness takes for a stale overwrite, and what it doesn't."""

from __future__ import annotations

from chaos.witness import Ledger, Sighting


def sighting(generation: int, place: str) -> Sighting:
    return Sighting(7, place, generation, "version 1", 0.0)


def renamed() -> Ledger:
    """Row 7 has a new name; the object of its old one is still there."""
    ledger = Ledger()
    ledger.saw(sighting(4, "old"))
    ledger.saw(sighting(5, "new"))
    return ledger


def test_what_is_still_where_it_was_is_not_stale() -> None:
    ledger = renamed()
    ledger.saw(sighting(4, "old"))  # a finalizer holds it: it is marked as deleted

    assert ledger.stale == []


def test_an_older_generation_at_another_place_is_stale() -> None:
    ledger = renamed()
    ledger.saw(sighting(4, "third"))

    assert len(ledger.stale) == 1


def test_an_older_generation_where_it_had_gone_is_stale() -> None:
    ledger = renamed()
    ledger.gone("old", "version 2", 1.0)
    ledger.saw(sighting(4, "old"))

    assert len(ledger.stale) == 1


def test_an_older_generation_over_a_newer_one_is_stale() -> None:
    ledger = renamed()
    ledger.saw(sighting(3, "new"))

    assert len(ledger.stale) == 1
