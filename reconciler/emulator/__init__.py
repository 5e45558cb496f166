"""A local Fivetran: the REST API over an account kept in SQLite.

It shares the catalogue with the client and nothing else, and it knows nothing of who calls it.
"""
