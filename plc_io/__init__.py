"""Talks to the machine: signal map, handshake, links."""
