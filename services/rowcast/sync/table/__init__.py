"""The table, as crud shows it."""
