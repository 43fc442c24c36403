"""The local platform: every real part on this machine, built once, supervised, and thrown away on request."""
