"""The forges that hold pull requests, behind one small port."""

from rowcast.sync.forges.making import FORGES, make_forge
from rowcast.sync.forges.port import Forge, Request, State

__all__ = ["FORGES", "Forge", "Request", "State", "make_forge"]
