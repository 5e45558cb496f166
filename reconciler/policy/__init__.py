"""Policies: rules of a team about what its specs may say and what one apply may do."""
