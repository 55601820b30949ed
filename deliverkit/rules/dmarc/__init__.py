"""Opinions about DMARC: whether a record applies, how it is written, what it asks for, and where its reports go."""
