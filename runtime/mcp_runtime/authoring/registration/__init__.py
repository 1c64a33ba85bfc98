"""Registration: a function's signature, arguments and invocation as an entry of the catalog."""
