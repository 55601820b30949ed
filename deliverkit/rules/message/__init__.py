"""Opinions about one message: how it is authenticated, its octets, its content, and what bulk mail owes."""
