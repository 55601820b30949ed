"""Opinions: facts in, findings out. One file (or folder) per family; nothing here touches the world."""

PORT_FAMILIES = ("smtp", "tls", "vantage")
"""The families that judge ports, and the place they were looked at from."""
