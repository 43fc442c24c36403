"""Writes `kustomize/` and `dapr-components/cluster/` from the chart, the one source of every cluster object."""
