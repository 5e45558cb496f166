"""Values to text, documents and live progress. Nothing here decides anything."""
