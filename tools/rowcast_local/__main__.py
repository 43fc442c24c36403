"""`python -m rowcast_local` is the command line."""

from rowcast_local.cli import main

main()
