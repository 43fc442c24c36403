"""`python -m rowcast_cluster`."""

from rowcast_cluster.cli import main

main()
