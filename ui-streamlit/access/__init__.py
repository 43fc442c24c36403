"""What a person may do, as crud says, and why not."""
