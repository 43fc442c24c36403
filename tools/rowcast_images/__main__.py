"""`python -m rowcast_images`: what `./task images` runs."""

from rowcast_images.cli import main

main()
