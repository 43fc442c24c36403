"""Changes that another person has to approve before they are made."""
