"""The seal: state that travels through a client, encrypted for the server that made it."""
