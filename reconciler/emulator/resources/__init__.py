"""Endpoints, one module per family of resources."""
