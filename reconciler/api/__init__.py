"""The Fivetran REST API: one client, one transport, typed errors. The only layer that speaks HTTP."""
