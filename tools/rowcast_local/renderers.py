"""Declarations in a folder of the user's: applied to the platform, whose sync-k8s is allowed what they ask for."""

import os
import subprocess
from pathlib import Path

import yaml

from rowcast_local.assembly import Blueprint, executable
from rowcast_local.errors import LocalError
from rowcast_local.parts.cluster_objects import apply_all
from rowcast_local.parts.kube_apiserver import SYNC

RBAC = "/apis/rbac.authorization.k8s.io/v1"


class RenderersError(LocalError):
    """Declarations that can't be applied, each with what is wrong; the others are, and what is live goes on."""


def apply_renderers(blueprint: Blueprint, folder: Path) -> str:
    """Applies a folder's declarations; to repeat it changes nothing. A line for each. Raises RenderersError.

    The database is migrated; the rights are those of this folder, and none of one that was named before.
    """
    rights = list(yaml.safe_load_all(_renderer(blueprint, "rights", str(folder), "--user", SYNC)))
    apply_all(
        blueprint.kube_apiserver,
        [(f"{RBAC}/{one['kind'].lower()}s/{one['metadata']['name']}", one) for one in rights],
    )
    return _renderer(blueprint, "apply", str(folder))


def _renderer(blueprint: Blueprint, *arguments: str) -> str:
    command = [executable("rowcast"), "renderer", *arguments]
    environment = {**os.environ, "ROWCAST_DATABASE_URL": blueprint.postgres.url}
    environment.pop("ROWCAST_DATABASE_PASSWORD_FILE", None)
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RenderersError(f"{ran.stdout}{ran.stderr}".strip())
    return ran.stdout.strip()
