"""Programs of a machine that has nothing else."""

from __future__ import annotations

from pathlib import Path


def program(folder: Path, name: str, text: str) -> Path:
    """A shell script there, that anybody can run."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path
