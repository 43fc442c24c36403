"""What the machine has told pip (index, certificates, proxy), in the words of uv, which doesn't read pip's settings.

Standard library only: the bootstrap uses it before anything is installed.
"""

import ast
import subprocess
from collections.abc import Mapping
from pathlib import Path

UV_NAMES: Mapping[str, tuple[str, ...]] = {
    "index-url": ("UV_DEFAULT_INDEX",),
    "extra-index-url": ("UV_INDEX",),
    "find-links": ("UV_FIND_LINKS",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "cert": ("SSL_CERT_FILE",),
    "proxy": ("HTTPS_PROXY", "HTTP_PROXY"),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
}
# Later sections override earlier ones, as they do for pip.
SECTIONS = ("global", "install", ":env:")
LISTS = frozenset({"UV_INDEX", "UV_FIND_LINKS", "UV_INSECURE_HOST"})


def uv_environment(python: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that make uv behave as `python`'s pip would; those that are set already in `environment` win."""
    settings = {"UV_SYSTEM_CERTS": "true", **translate(listing(python))}
    return {name: value for name, value in settings.items() if name not in environment}


def listing(python: Path) -> str:
    """What `pip config list` says, or nothing if `python` has no pip."""
    listed = subprocess.run([str(python), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    return listed.stdout


def options(listing: str) -> dict[str, str]:
    """The output of `pip config list` (lines such as `global.index-url='…'`) as the options that `pip install` has."""
    found: dict[str, str] = {}
    for section in SECTIONS:
        for line in listing.splitlines():
            name, _, value = line.partition("=")
            group, _, option = name.rpartition(".")
            if group == section:
                found[option] = _unquoted(value)
    return found


def translate(listing: str) -> dict[str, str]:
    """The output of `pip config list` as uv's variables."""
    found = {name: value for option, value in options(listing).items() for name in UV_NAMES.get(option, ())}
    return {name: _as_list(value) if name in LISTS else value for name, value in found.items()}


def _unquoted(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        return text


def _as_list(value: str) -> str:
    # pip separates by any white space, uv by one space.
    return " ".join(value.split())
