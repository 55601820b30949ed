"""What was observed, as frozen dataclasses, and the flows that observe it. No opinion lives here."""
