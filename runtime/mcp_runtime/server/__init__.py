"""The process around the transports: sockets, signals, drain, health. Rule: whatever starts here also ends here."""
