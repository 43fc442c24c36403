"""Builds Rowcast's images with docker, podman or buildah, whichever works, and keeps what was built."""
