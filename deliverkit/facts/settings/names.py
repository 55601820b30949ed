"""What a variable's name says: that it is about mail, that its value is a secret.

What this file will not do: look at a value.
"""

from __future__ import annotations

import re

_SECRET_NAME = re.compile(
    r"(?:^|[_.\-])(?:PASS|PASSWD|PASSWORD|PASSPHRASE|PWD|SECRET|TOKEN|CREDENTIALS?|(?:API|ACCESS|SECRET|PRIVATE|AUTH)"
    r"[_.\-]?(?:KEY|CODE|TOKEN))(?:$|[_.\-](?!FILE|PATH|ENV|TIMEOUT|TTL|LENGTH))|APIKEY|PASSWORD$|SECRET$|TOKEN$",
    re.IGNORECASE,
)
_ABOUT_MAIL = re.compile(
    r"(?:^|[_.\-])(?:E?MAIL\w*|SMTP\w*|IMAP\w*|NODEMAILER|SENDGRID|RESEND|MAILGUN|POSTMARK|MANDRILL|BREVO|SENDINBLUE|"
    r"MAILJET|SPARKPOST|SES|AWS[_\-]SES)(?:$|[_.\-])",
    re.IGNORECASE | re.ASCII,
)


def named_secret(name: str) -> bool:
    """True if a variable's name says that its value is a secret."""
    return name not in ("PWD", "OLDPWD") and _SECRET_NAME.search(name) is not None


def about_mail(name: str) -> bool:
    """True if a variable's name says that it is about mail."""
    return _ABOUT_MAIL.search(name) is not None
