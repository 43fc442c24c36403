"""Which version is where, and copying it to the place after."""
