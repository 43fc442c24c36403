"""The pure core: no network, no clock, no environment, nothing but the standard library."""
