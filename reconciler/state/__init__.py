"""Remembering between runs: a snapshot, and a journal of what happened since."""
