"""A local Fivetran: the REST API over an account kept in SQLite.

The emulator shares the catalogue with the client and nothing else, and knows nothing of its callers.
"""
