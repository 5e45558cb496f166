"""Store the state between runs: a snapshot, and a journal of later changes."""
