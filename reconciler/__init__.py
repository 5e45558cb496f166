"""Declarative groups and destinations for Fivetran."""

__version__ = "0.1.0"
