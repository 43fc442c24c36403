"""A configuration's versions, and how they differ."""
