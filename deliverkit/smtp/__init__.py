"""SMTP as pure conversation: replies, transcripts, the client's flows, the composing of messages."""
