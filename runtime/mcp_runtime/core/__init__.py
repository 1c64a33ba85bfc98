"""The core: one stateless request in, notifications and one result out."""
