"""TLS: key stores, contexts, and an endpoint that wraps another one. Imported only where it is configured."""
