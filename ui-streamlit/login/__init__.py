"""Who looks at the dashboard, and what they may do."""
