"""Gets the real parts: downloads, resolves or builds each once, by pinned version, into the shared cache."""
