"""SPF, RFC 7208: the record, its macros, check_host, and the tree of everything a record leads to."""
