"""What several rooms show alike: words, failures, pages of a list, the brand."""
