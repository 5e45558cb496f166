"""Define the frozen values that every layer shares. No module of this package does I/O."""
