"""`python -m rowcast_release`."""

from rowcast_release.cli import main

main()
