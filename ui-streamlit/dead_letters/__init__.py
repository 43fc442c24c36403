"""Dead letters: what could not be delivered, and a way on."""
