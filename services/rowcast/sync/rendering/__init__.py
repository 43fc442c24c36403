"""What rows render to: those of `app_configs` as built in, all others by the revision of their renderer."""

from rowcast.sync.rendering.rendering import Rendering, Revision, Revisions

__all__ = ["Rendering", "Revision", "Revisions"]
