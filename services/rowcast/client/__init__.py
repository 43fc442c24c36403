"""Commands for people, scripts and CI over crud's API: `get`, `apply`, `diff` and what goes with them."""
