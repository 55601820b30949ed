"""What is expected of the receiving side: MX hosts, MTA-STS, TLS reports; and of BIMI."""

from __future__ import annotations

from deliverkit.facts.base import Missing, Unobserved
from deliverkit.facts.expected import ExpectedFacts
from deliverkit.findings import Severity
from deliverkit.flow import Answer
from deliverkit.names import BadName, to_ascii
from deliverkit.rules.expect.reading import seen, told, unmet
from deliverkit.rules.registry import Findings, rule


@rule("EXP011", Severity.ERROR, "RFC 5321 §5.1, RFC 7505 §3")
def mx_hosts_differ(facts: ExpectedFacts) -> Findings:
    """Mail goes to other hosts than expected.

    Why: mail is lost at a host that knows nothing of it, or read by somebody it is not for.
    Fix: publish MX records for exactly these hosts, or change what is expected.
    """
    wanted, answer = {_host(name) for name in facts.wanted("mx")}, told(facts.domain.mx.answer)
    held = {_host(exchange): place for place, (_, exchange) in enumerate(answer.records)}
    for name, place in held.items():
        if name not in wanted:
            yield unmet(facts, "mx", f"{name or 'a null MX'} is an MX host", seen(answer, place))
    missing = sorted(wanted - set(held))
    if missing:
        names = ", ".join(name or "a null MX" for name in missing)
        yield unmet(facts, "mx", f"no MX record names {names}", seen(answer))


def _host(name: str) -> str:
    """A host that can be compared; a null MX is the empty name."""
    plain = name.rstrip(".").lower()
    try:
        return to_ascii(plain) if plain else ""
    except BadName:
        return plain


@rule("EXP012", Severity.ERROR, "RFC 8461 §3")
def mta_sts_differs(facts: ExpectedFacts) -> Findings:
    """MTA-STS is not what is expected.

    Why: without a policy in force, who stands between can take the encryption out of mail to you.
    Fix: publish the record and serve the policy in the mode that is expected, or change what is expected.
    """
    wanted, sts = facts.wanted("mta-sts"), facts.domain.mtasts
    record = sts.record
    if wanted == "absent":
        if record is not None:
            yield unmet(facts, "mta-sts", "there is an MTA-STS record", seen(sts.answer))
    elif record is None:
        yield unmet(facts, "mta-sts", "there is no MTA-STS record that can be used", seen(sts.answer))
    elif wanted != "record":
        policy = sts.raw("policy")
        if isinstance(policy, Missing):  # whoever expects a mode wants to know it, asked for or not
            raise Unobserved(f"the MTA-STS policy: {policy.reason}")
        if policy is None or policy.mode != wanted:
            what = "no MTA-STS policy is served" if policy is None else f"the MTA-STS policy has mode {policy.mode}"
            yield unmet(facts, "mta-sts", what, seen(sts.answer))


@rule("EXP013", Severity.ERROR, "RFC 8460 §3")
def tls_reports_differ(facts: ExpectedFacts) -> Findings:
    """TLS reports are not asked for as expected.

    Why: nobody tells you when mail to you cannot be encrypted.
    Fix: publish v=TLSRPTv1 with an address at _smtp._tls, or change what is expected.
    """
    wanted, tls = facts.wanted("tls-rpt"), facts.domain.tlsrpt
    if (tls.record is not None) != wanted:
        what = "there is no TLS-RPT record that can be used" if wanted else "there is a TLS-RPT record"
        yield unmet(facts, "tls-rpt", what, seen(tls.answer))


@rule("EXP014", Severity.ERROR, "draft-brand-indicators-for-message-identification §4")
def bimi_differs(facts: ExpectedFacts) -> Findings:
    """A BIMI logo is not published as expected.

    Why: mailboxes show no logo, or one that should not be there.
    Fix: publish the record at default._bimi, or change what is expected.
    """
    wanted, bimi = facts.wanted("bimi"), facts.domain.bimi
    if (bimi.record is not None) != wanted:
        what = "there is no BIMI record that can be used" if wanted else "there is a BIMI record"
        answer: Answer = bimi.answer
        yield unmet(facts, "bimi", what, seen(answer))
