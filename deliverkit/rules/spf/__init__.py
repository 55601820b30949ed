"""Opinions about SPF: whether there is a record, whether it can be read, what it costs, what it says, and of whom."""
