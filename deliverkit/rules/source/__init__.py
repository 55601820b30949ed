"""Opinions about sources of records: what an editor, a server or a provider will make of the text."""
