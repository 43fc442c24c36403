"""The Git target's other mode: what differs from the branch is proposed by one pull request, and not pushed to it."""
