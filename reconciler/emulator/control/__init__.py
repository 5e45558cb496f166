"""Endpoints for the operator of a running emulator, below `/_emulator`. Fivetran has no such endpoints."""
