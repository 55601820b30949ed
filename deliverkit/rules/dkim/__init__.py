"""Opinions about DKIM keys: whether one is there, whether it can be read, whether it is strong, whether it is yours."""
