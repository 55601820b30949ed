"""What a refused login is advised: by the reply where it tells, by the provider's kind of secret where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from deliverkit.engine.story import run_story
from deliverkit.smtp.meaning import meaning_of
from deliverkit.world.story import load_story

STORIES = Path(__file__).parents[2] / "fixtures" / "stories" / "send"


@pytest.mark.parametrize(
    ("story", "rule", "words"),
    [
        ("login-refused-without-a-reason", "SEND003", "app password"),
        ("qq-password-instead-of-code", "SEND003", "authorization code"),
        ("gmail-app-password", "SEND003", "app password"),
        ("relay-refuses-connections", "SEND019", "Nothing listens on port 587"),
        ("163-sender-is-not-the-account", "SEND004", "the account's own address"),
    ],
)
def test_the_fix_names_the_way_out(story: str, rule: str, words: str) -> None:
    """The first finding's fix says what to do instead."""
    report = run_story(load_story(STORIES / f"{story}.toml"))
    found = report.findings[0]
    assert found.rule == rule
    assert words in found.fix.text


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "provider", "entry"),
    [
        (535, "5.7.8", "Error: authentication failed: UGFzc3dvcmQ6", None, "postfix-auth-failed"),
        (535, "5.7.8", "Error: authentication failed: authentication failure", "icloud", "postfix-auth-failed"),
        (535, None, "Error: authentication failed", "netease-163", "netease-auth"),
        (
            535,
            None,
            "Login Fail. Please enter your authorization code to login. More information in "
            "http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=28&&no=1001256",
            "qq",
            "qq-auth-login",
        ),
        (
            535,
            None,
            "Error: \\xc7\\xeb http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=28&&no=1001256",
            None,
            "qq-auth-login",
        ),
        (553, None, "Mail from must equal authorized user", "netease-126", "netease-from-mismatch"),
        (535, None, "Authentication failed: Bad username / password", "sendgrid", "sendgrid-key"),
        (535, None, "Authentication Credentials Invalid", "ses", "ses-credentials"),
    ],
)
def test_common_refusals_of_a_login_are_known(
    code: int, enhanced: str | None, text: str, provider: str | None, entry: str
) -> None:
    """The words of one provider are not taken for those of another."""
    found = meaning_of(text, code, enhanced, provider)
    assert found is not None
    assert found.id == entry
