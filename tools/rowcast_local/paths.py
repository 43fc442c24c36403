"""Where the platform keeps things: a cache that checkouts share, and a state that is one platform's own."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """`$ROWCAST_CACHE`, or `rowcast` in the user's cache folder."""
    given = os.environ if environment is None else environment
    if chosen := given.get("ROWCAST_CACHE"):
        return Path(chosen).expanduser().resolve()
    user_cache = given.get("XDG_CACHE_HOME") or Path(given.get("HOME") or Path.home()) / ".cache"
    return Path(user_cache).resolve() / "rowcast"


def state_folder(checkout: Path = CHECKOUT, environment: Mapping[str, str] | None = None) -> Path:
    """`$ROWCAST_STATE`, or `.rowcast` in the checkout."""
    given = os.environ if environment is None else environment
    chosen = given.get("ROWCAST_STATE")
    return Path(chosen).expanduser().resolve() if chosen else checkout / ".rowcast"


def short_hash(text: str) -> str:
    """Ten hexadecimal digits that stand for `text` in the name of a file."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]


@dataclass(frozen=True)
class State:
    """The files of one platform, below `folder`."""

    folder: Path

    @property
    def toolbox(self) -> Path:
        """Which programs it was started with."""
        return self.folder / "toolbox.json"

    @property
    def without(self) -> Path:
        """Which parts it was started without."""
        return self.folder / "without.json"

    @property
    def gitops(self) -> Path:
        """Which engine makes its commits real."""
        return self.folder / "gitops"

    @property
    def broker(self) -> Path:
        """Which broker it has."""
        return self.folder / "broker"

    @property
    def capture(self) -> Path:
        """What captures its changes."""
        return self.folder / "capture"

    @property
    def renderers(self) -> Path:
        """Which folder has the declarations that are applied at each start."""
        return self.folder / "renderers"

    @property
    def targets(self) -> Path:
        """Which further clusters it has."""
        return self.folder / "targets"

    @property
    def settings(self) -> Path:
        """What was set for single parts."""
        return self.folder / "settings.json"

    @property
    def ports(self) -> Path:
        """Which ports it has."""
        return self.folder / "ports.json"

    @property
    def credentials(self) -> Path:
        """Its passwords and tokens."""
        return self.folder / "credentials.json"

    @property
    def logs(self) -> Path:
        """What its parts say."""
        return self.folder / "logs"

    @property
    def data(self) -> Path:
        """What its parts keep."""
        return self.folder / "data"

    @property
    def sockets(self) -> Path:
        """A Unix socket's path may have about 100 characters, which a checkout deep in a tree exceeds."""
        return Path("/tmp") / f"rowcast-{os.getuid()}-{short_hash(str(self.folder))}"

    def create(self) -> None:
        """Makes the folders: what is in them is this user's alone, but PostgreSQL's account may pass to its own."""
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        for folder in (self.data, self.logs):
            folder.mkdir(mode=0o700, exist_ok=True)
