"""Rules about TLS on SMTP ports: whether it is there, whether it works, and what the certificate is worth.

Submission clients insist on TLS and on the certificate (RFC 8314); servers that deliver to an MX take what they get
(opportunistic TLS), so the same fault weighs less there.
"""
