"""What became of rows, as the status topic and the dead letters' topic hear of it."""
