"""One module per part of the platform: how it is prepared, how it is started, how one knows that it is ready."""
