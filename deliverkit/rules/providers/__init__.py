"""What the providers of a domain need in its DNS, and what is left of old ones.

What is said of a provider that the user named (``--via``) may be grave; what was merely recognised is worth a note at
most. Where ``data/providers.toml`` calls a field unconfirmed, the words say so.
"""
