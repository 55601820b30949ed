"""The engines: a world and a subject in, a report out. One file per verb.

They stand in a room of their own, because ``deliverkit.audit`` is the public verb: a submodule of the same name would
take its place as soon as it was imported.
"""
