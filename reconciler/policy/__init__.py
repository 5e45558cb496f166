"""Policies: a team's rules about its specs and about a single apply."""
