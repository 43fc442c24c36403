"""A digest of what we own of an object, so that an inventory can show drift without holding the objects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from rowcast.core.render import GENERATION, MANAGED_BY, ROW_ID, TABLE, UPDATED_BY, Manifest

_LABELS = (MANAGED_BY, TABLE, ROW_ID)
_ANNOTATIONS = (GENERATION, UPDATED_BY)
"""Not the LSN: the same state has one in its event and another in a snapshot of the table."""


def digest_of(body: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits, the same for a rendered manifest and for the live object that it became.

    They cover the spec, our labels and our annotations; what others add beside them is theirs.
    """
    metadata = _mapping(body.get("metadata"))
    labels, annotations = _mapping(metadata.get("labels")), _mapping(metadata.get("annotations"))
    owned = [
        body.get("kind"),
        metadata.get("name"),
        [labels.get(label) for label in _LABELS],
        [annotations.get(annotation) for annotation in _ANNOTATIONS],
        body.get("spec"),
    ]
    text = json.dumps(owned, sort_keys=True, separators=(",", ":"), default=str)
    return digest_of_bytes(text.encode(errors="surrogatepass"))


def digest_of_manifest(manifest: Manifest) -> str:
    """The digest of a rendered manifest."""
    return digest_of(manifest.body)


def digest_of_bytes(content: bytes) -> str:
    """Sixteen hexadecimal digits of what is owned as a whole."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
