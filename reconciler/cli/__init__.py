"""Turn a command line into settings, an operation, a renderer and an exit code."""
