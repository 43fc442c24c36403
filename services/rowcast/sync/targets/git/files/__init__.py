"""Files of a repository: their YAML, and which rows they hold."""
