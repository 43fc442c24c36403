"""The forges that hold pull requests, behind one small port."""

from rowcast.sync.forges.port import Forge, Request, State
from rowcast.sync.forges.registry import FORGES, make_forge

__all__ = ["FORGES", "Forge", "Request", "State", "make_forge"]
