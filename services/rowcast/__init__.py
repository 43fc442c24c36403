"""Rowcast renders database rows as Kubernetes resources."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("rowcast")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0+unknown"

__all__ = ["__version__"]
