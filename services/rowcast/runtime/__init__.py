"""What every entry point needs: settings, logging, metrics, health, problems, the sidecar and the server."""
