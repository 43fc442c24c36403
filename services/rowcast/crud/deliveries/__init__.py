"""What became of each row at each target, as sync reports it."""
