"""`/access:mine` and `/access:explain`, from JSON to the dashboard's types."""

from __future__ import annotations

from access.models import Mine
from client.sending import Sending, given


class AccessCalls(Sending):
    """The calls that say what one may do."""

    def my_access(self, token: str = "") -> Mine:
        """Return who asks and what they may do; by their own `token` if there is one, else by the dashboard's word."""
        content = self._send("GET", "/access:mine", token=token)
        return Mine(
            subject=content["subject"],
            way=content["way"],
            enforced=content["enforced"],
            issuer=content.get("issuer"),
            names=tuple(content.get("names") or ()),
            renderers={
                renderer: {act: held["extent"] for act, held in acts.items()}
                for renderer, acts in content["renderers"].items()
            },
            targets={target: tuple(verbs) for target, verbs in content["targets"].items()},
            other=frozenset(content["other"]),
            proposes={name: tuple(patterns) for name, patterns in content.get("proposes", {}).items()},
            rules=tuple(f"line {rule['line']}: {rule['text']}" for rule in content.get("rules") or ()),
        )

    def why_not(self, act: str, renderer: str, environment: str) -> str | None:
        """Return why the policy refuses `resource/verb`, None if it allows it; what is empty means all there are."""
        params = given(verb=act, renderer=renderer, environment=environment)
        content = self._send("GET", "/access:explain", params=params)
        return None if content["allowed"] else content["why"]
