"""Tables of the user's: what the catalogue says of them, and the triggers that keep `rowcast.rows` equal to them."""
