"""HTTP servers: Hypercorn, and what stands in its place."""
