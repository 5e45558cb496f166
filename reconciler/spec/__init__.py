"""Turn YAML files into trees in which every key and value knows its place."""
