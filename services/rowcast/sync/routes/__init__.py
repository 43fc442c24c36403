"""What a sync instance answers over HTTP, beside the events' own routes."""
