"""Opinions on an application's mail configuration, before any packet: one file for each kind of fault."""
