"""`rowcast secrets …`"""

from __future__ import annotations

import json
import os
from functools import partial
from typing import Annotated

import typer

from rowcast.runtime.deadline import Deadline
from rowcast.runtime.exits import told

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Passwords that a release needs.")


@app.callback()
def main() -> None:
    """Passwords that a release needs."""


@app.command(name="make")
def make_command(
    wanted: Annotated[str, typer.Argument(help="A JSON list: name, labels, annotations, fixed, random, urls of each.")],
    namespace: Annotated[str, typer.Option(help="Where they are.")],
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to go on trying.")] = 60,
) -> None:
    """Make the secrets that aren't there, and what those lack that are, in the cluster of KUBECONFIG or of the pod.

    What is there is never changed. Exit codes: 0 done, 1 refused, 2 wrong options, 3 not in time.
    """
    from rowcast.crd.secrets import ApiServer, Wanted, make

    try:
        secrets = [Wanted(**one) for one in json.loads(wanted)]
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(f"WANTED: {error}") from error
    deadline = Deadline(timeout)
    with told():
        cluster = ApiServer(os.environ.get("KUBECONFIG") or None, namespace)
        for secret in secrets:
            typer.echo(f"{secret.name}: {deadline.until(partial(make, cluster, secret))}")
