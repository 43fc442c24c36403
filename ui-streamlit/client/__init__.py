"""The way to crud, through the dashboard's own Dapr sidecar."""
