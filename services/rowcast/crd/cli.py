"""`rowcast crd …`"""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated

import typer

from rowcast.runtime.deadline import Deadline
from rowcast.runtime.exits import told

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The definition of the custom resources.")


@app.callback()
def main() -> None:
    """The definition of the custom resources."""


@app.command(name="apply")
def apply_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask the API server, but change nothing.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to go on trying.")] = 60,
) -> None:
    """Bring this version's definitions to the cluster of KUBECONFIG or of the pod, and wait until they are served.

    Exit codes: 0 done, 1 refused, 2 wrong options, 3 not in time.
    """
    from rowcast.crd.apply import ApiServer, apply, check_established
    from rowcast.crd.definition import read_definitions

    deadline = Deadline(timeout)
    with told():
        cluster = ApiServer(os.environ.get("KUBECONFIG") or None)
        for body in read_definitions():
            name = body["metadata"]["name"]
            outcome = deadline.until(partial(apply, cluster, body, dry_run=dry_run))
            typer.echo(f"{name}: {outcome}{' (dry run)' if dry_run else ''}")
            if not dry_run:
                deadline.until(partial(check_established, cluster, name))
