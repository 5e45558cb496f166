"""State between runs: a snapshot, and a journal of the changes since."""
