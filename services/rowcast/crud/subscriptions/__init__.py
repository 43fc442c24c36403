"""What comes by the broker, before anybody knows what it is of: reading it, and how much of it is believed."""
