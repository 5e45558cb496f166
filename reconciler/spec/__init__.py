"""Read spec files: YAML trees in which every key and value has its place, merged to a project."""
