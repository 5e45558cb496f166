"""From YAML files to trees in which every key and value knows where it was written."""
