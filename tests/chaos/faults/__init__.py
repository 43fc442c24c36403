"""The library of faults."""
