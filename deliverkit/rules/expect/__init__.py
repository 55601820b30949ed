"""Rules about what the owner of a domain expects of it: one a key of ``[expect]`` in the configuration.

Each shows the record first, with the line it stands on, then the line of the configuration that expects otherwise.
"""
