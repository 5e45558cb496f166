"""Render values as text, documents and live progress. No module of this package decides about a run."""
