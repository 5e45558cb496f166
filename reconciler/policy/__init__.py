"""Policies: rules of a team about its specs and about a single apply."""
