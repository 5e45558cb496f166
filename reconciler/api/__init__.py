"""Call the Fivetran REST API: client, transport, retries and typed errors."""
