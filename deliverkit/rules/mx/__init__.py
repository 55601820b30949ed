"""Opinions about MX: what the records say (`records`), and where their hosts lead (`hosts`)."""
