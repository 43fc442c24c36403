"""The sync service: takes change events from its Dapr sidecar and delivers rows to one target."""
