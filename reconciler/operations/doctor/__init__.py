"""Check the set-up of a project, for `doctor` and `validate --online`."""
