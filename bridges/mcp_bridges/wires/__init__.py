"""Conversations whose session is their wire: stdio, and HTTP+SSE."""
