"""Editing of source text: a fix (records out, records in) becomes octets replaced in files, all others untouched.

`model` holds edits and applies them; files named after zones know master files (`zonetext` first), those named after
octoDNS its YAML (`octodnstext` first); `meaning` holds what a changed file says against what it should say; `source`
joins them. What this room will not do: judge a record, choose a fix, or write a file.
"""
