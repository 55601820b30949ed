"""What a project's own tests need: a world that the test tells, a sink for its mail, its configuration as tests.

pytest finds `plugin` by its entry point, at every start and in every project that has deliverkit installed: so that
file imports nothing but pytest, and the others of this room are imported by the fixtures that need them. `dns` is the
world that a test fills, `running` a sink in a thread, `mail` and `claims` a captured message and what can be asserted
of it, `configured` makes test items of a configuration.

What this room will not do: know anything about mail, or open a socket but the sink's.
"""
