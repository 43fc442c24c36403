"""From facts to stations, in words. Pure: whoever gathers passes the time."""
