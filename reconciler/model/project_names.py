"""Name the project files that a command finds by itself."""

DEFAULT_PROJECT = "specs/reconciler.yaml"
PROJECT_NAMES = (DEFAULT_PROJECT, "reconciler.yaml")
