"""The way of a change: its stations, their figures, what is wrong."""
