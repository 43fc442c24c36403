"""The cluster's commands, as `./task cluster:…` calls them."""

import shlex

import typer
from rich.console import Console

from rowcast_cluster.cluster import Cluster, cluster_folder
from rowcast_cluster.errors import ClusterError
from rowcast_local.cli import exclusively
from rowcast_local.command_line import run
from rowcast_local.provision.progress import Progress

app = typer.Typer(name="rowcast-cluster", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
USE = """
A cluster of one node, with Dapr's control plane, is ready.

  eval "$(./task -s cluster:env)"   kubectl and helm then speak to it
  ./task cluster:status             how it is
  ./task cluster:down               removes it, with all that it made
"""


def main() -> None:
    """Runs a command of the cluster."""
    run(app)


@app.command()
def up() -> None:
    """Starts a cluster of one real node, with Dapr's control plane, for this checkout.

    kind makes the node where it and a Docker engine are; else it is made of this machine's own parts, as root.
    $ROWCAST_CLUSTER_NODE chooses: `kind` or `bare`. $ROWCAST_CLUSTER is the folder, `.rowcast-cluster` by default.
    """
    console = Console(stderr=True, highlight=False)
    with exclusively(cluster_folder()), Progress(console) as progress:
        cluster = Cluster(cluster_folder(), progress)
        if cluster.running:
            console.print("The cluster is running already; nothing was changed.")
            return
        console.print("Getting the parts")
        _ = cluster.programs
        console.print("Starting the cluster")
        cluster.start()
    Console(highlight=False).print(USE)


@app.command()
def get() -> None:
    """Gets what a cluster is made of and starts nothing: so that no test's time limit has a build in it."""
    with Progress(Console(stderr=True, highlight=False)) as progress:
        _ = Cluster(cluster_folder(), progress).programs


@app.command()
def down() -> None:
    """Removes the cluster with all that it ever made: processes, mounts, network, control groups, files."""
    with exclusively(cluster_folder(), for_the_last_time=True):
        Cluster(cluster_folder()).stop()
    typer.echo("Removed; nothing of it is left.", err=True)


@app.command()
def status() -> None:
    """Says how the node and its pods are; the exit code is 1 if there is no cluster."""
    cluster = Cluster(cluster_folder())
    if not cluster.running:
        raise ClusterError("no cluster here: start one with ./task cluster:up")
    typer.echo(cluster.kubectl("get", "nodes", "--output=wide"))
    typer.echo(cluster.kubectl("get", "pods", "--all-namespaces"))


@app.command()
def env() -> None:
    """Prints `export` lines: eval "$(./task -s cluster:env)"."""
    for name, value in Cluster(cluster_folder()).environment.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
