"""Moved to deliverkit.engine.audit; kept for the hour in which the rooms are being built."""

from deliverkit.engine.audit import AuditOptions, audit

__all__ = ["AuditOptions", "audit"]
