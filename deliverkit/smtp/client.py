"""The client's flows: `submit_flow` sends messages over one connection."""

from __future__ import annotations

from collections.abc import Iterable

from deliverkit.smtp.dialogue import Connect, SmtpFlow, Trouble
from deliverkit.smtp.submission import Auth, Delivery, Envelope, Recipient, Refusal, Stage, Submission, SubmitResult

__all__ = ["Auth", "Delivery", "Envelope", "Recipient", "Refusal", "Stage", "Submission", "SubmitResult", "submit_flow"]


def submit_flow(submission: Submission, envelopes: Iterable[Envelope]) -> SmtpFlow[SubmitResult]:
    """Send every envelope over one connection."""
    connected = yield Connect(submission.address, submission.port, submission.connect_s)
    if isinstance(connected, Trouble):
        return SubmitResult(Stage.CONNECT, connected)
    raise NotImplementedError
