"""Editing of source text."""
