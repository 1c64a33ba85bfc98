"""HTTP/1.1 on httptools: connections that cost one task each."""
