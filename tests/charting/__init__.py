"""The chart as its tests see it: rendered by the real Helm, and judged by the real API server."""
