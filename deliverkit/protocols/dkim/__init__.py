"""DKIM as the RFCs have it (6376, 8301, 8463): key records, signatures, verifying, signing, key files.

Import from the modules: ``key`` and ``signature`` parse, ``verify`` and ``sign`` work on messages, ``keys`` reads
private key files. The work on messages is dkimpy's, behind ``engine``; nothing here opens a socket or has an opinion.
"""
