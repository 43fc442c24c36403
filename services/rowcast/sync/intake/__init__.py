"""Events as the broker hands them over: gathered into batches, held back for a retry, brought again as replays."""
