"""What a cluster says of its kinds (Kubernetes, "The Kubernetes API", OpenAPI V3)."""

from collections.abc import Collection, Iterator
from typing import Any

from rowcast.crd.apply import ApiServer


def documents(cluster: ApiServer, kinds: Collection[str]) -> Iterator[Any]:
    """The OpenAPI documents of all versions of the groups of these kinds, each `Kind` or `group/Kind`.

    Raises TransientError, PermanentError.
    """
    groups = {kind.rpartition("/")[0] for kind in kinds}
    for path in cluster.read("/openapi/v3")["paths"]:
        # `api/v1` has no group; `apis/GROUP` without a version has no kinds.
        parts = path.split("/")
        group = parts[1] if parts[0] == "apis" and len(parts) == 3 else ""
        if group in groups and len(parts) == (3 if group else 2) and parts[0] == ("apis" if group else "api"):
            yield cluster.read(f"/openapi/v3/{path}")
