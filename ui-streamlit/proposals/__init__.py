"""The room Proposals: changes that wait for another person."""
