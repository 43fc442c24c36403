"""Who runs a command, as the machine has it."""

import getpass


def this_user() -> str:
    """Their name; `rowcast` where there is none, as of a container's number without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "rowcast"
