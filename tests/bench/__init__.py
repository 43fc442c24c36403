"""Benchmarks of the whole platform, each beside the bare limit in the same run. Figures, not assertions."""
