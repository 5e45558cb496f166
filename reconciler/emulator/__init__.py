"""Emulate Fivetran: the REST API over an account in SQLite.

The emulator shares the catalogue with the client and nothing else, and imports none of its callers.
"""
