"""DKIM for the terminal: each selector with its key, and how far the search for others went. Pure text, no opinion."""

from __future__ import annotations

from deliverkit.facts.base import Missing
from deliverkit.facts.dkim import DkimFacts, SelectorFacts
from deliverkit.protocols.dkim.key import KeyRecord
from deliverkit.report.plain import fold, plain

WIDTH = 100


def dkim_lines(facts: DkimFacts, width: int = WIDTH) -> list[str]:
    """Explain the keys of a domain, in lines of at most ``width`` columns."""
    lines: list[str] = []
    selectors = facts.raw("selectors")
    if isinstance(selectors, Missing):
        lines += fold(f"the keys could not be told: {plain(selectors.reason)}", width)
    else:
        for one in selectors:
            lines += _selector_lines(one, width)
    return lines + fold(_search(facts), width)


def _selector_lines(one: SelectorFacts, width: int) -> list[str]:
    head = f"{plain(one.name)} ({one.source})"
    lines = fold(f"{head}: {_outcome(one)}", width, hanging="   ")
    if one.answer.aliases and one.problem is None:
        lines += fold(f"alias of {plain(' > '.join(one.answer.aliases))}", width, "   ")
    if one.answer.known:
        for _, record in one.records:
            lines += _key_lines(record, width)
    for wrong in one.misplaced:
        lines += fold(f"a key stands at {plain(wrong.name)}, {wrong.mistake}", width, "   ")
    return lines + _file_lines(one, width)


def _outcome(one: SelectorFacts) -> str:
    if one.problem:
        return plain(one.problem)
    if not one.answer.known:
        return f"could not be told: {plain(one.answer.why())}"
    if not one.records:
        return f"no key ({one.answer.status})" if not one.answer.records else "a TXT record that is no key"
    by = ", by a wildcard" if one.wildcard else ""
    return f"{len(one.records)} key records{by}" if len(one.records) > 1 else f"{_key(one.records[0][1])}{by}"


def _key(record: KeyRecord) -> str:
    """ "RSA 2048, usable, testing"."""
    if record.revoked:
        return "a revoked key"
    names = {"rsa": "RSA", "ed25519": "Ed25519", None: "an unreadable key"}
    words = [names[record.material] + (f" {record.bits}" if record.material == "rsa" and record.bits else "")]
    words.append("usable" if record.usable else "not usable")
    words += [word for word, said in (("testing (t=y)", record.testing), ("strict (t=s)", record.strict)) if said]
    return ", ".join(words)


def _key_lines(record: KeyRecord, width: int) -> list[str]:
    lines = fold(plain(record.shown(), 600), width, "   ")
    for fault in record.faults:
        lines += fold(f"at {fault.span[0]}: {plain(fault.detail, 300)}", width, "   - ", hanging="     ")
    return lines


def _file_lines(one: SelectorFacts, width: int) -> list[str]:
    file = one.key_file
    if file is None:
        return []
    name = plain(str(file.path))
    if file.problem:
        return fold(f"private key {name}: {plain(file.problem)}", width, "   ")
    compared = one.private_matches if one.answer.known else None
    word = {True: "belongs to this key", False: "does NOT belong to this key", None: "nothing to compare it with"}
    return fold(f"private key {name}: {word[compared]}", width, "   ")


def _search(facts: DkimFacts) -> str:
    """How far looking for other selectors went, and what that is worth."""
    scan = facts.scan
    known = f" The usual selectors of {plain(', '.join(facts.providers))} were among them." if facts.providers else ""
    if not scan.tried:
        return f"Other selectors were not looked for: {plain(scan.below.why())}."
    if scan.nothing_below:
        name = f"_domainkey.{plain(facts.domain)}"
        return f"Nothing exists below {name} (NXDOMAIN, RFC 8020 §2), so there are no other selectors."
    searched = f"{len(scan.tried)} other selectors were tried"
    if scan.unanswered:
        searched += f", {scan.unanswered} without an answer"
    if scan.passed_over:
        searched += f", {len(scan.passed_over)} passed over that only stand beside one that does not exist"
    if scan.wildcard:
        searched += "; a wildcard answers every name, only differing keys count"
    return f"{searched}. Selectors cannot be listed: what was not found may still exist.{known}"
