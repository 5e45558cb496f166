"""Names of the limits of a project, for the command line, which must not load the model of the project file."""

LIMIT_NAMES = ("deletes", "replacements", "revokes", "changed_fraction")
