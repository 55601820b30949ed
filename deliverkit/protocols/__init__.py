"""The law: what the RFCs say, as pure flows and parsers that a stranger could import alone."""
