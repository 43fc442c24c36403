"""A machine that breaks the platform under load, and looks whether anything was lost, stale or silent."""
