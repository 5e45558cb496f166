"""From a command line to settings, an operation, a renderer and an exit code."""
