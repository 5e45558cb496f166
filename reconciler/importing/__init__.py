"""Write specs for objects that exist at Fivetran: imports, and accepted drift. Sends only GET requests."""
