"""DMARC, RFC 9989 to 9991: the policy record, its discovery, identifier alignment, report destinations.

Import from the modules: ``record`` parses, ``discover`` finds the policy of a domain, ``align`` gives a message's
result, ``destinations`` asks those who are to get reports.
"""
