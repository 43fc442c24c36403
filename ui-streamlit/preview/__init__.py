"""What a target would make of a row, and what it has."""
