"""Mail logs and bounces: every refusal in them, grouped by cause and counted, in one pass and constant memory.

Understood are the logs of Postfix and Exim, JSON lines (Nodemailer behind pino, winston and the like), the error texts
and tracebacks of Node.js, Python, Java, PHP and Go, and delivery status notifications (RFC 3464), also in an mbox.
A line of another kind counts only when a mail error shows in it beyond doubt.

What this file will not do: know what a refusal means (`deliverkit.smtp.meaning`), or keep more than the groups.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from deliverkit.smtp.codes import by_the_book
from deliverkit.smtp.meaning import ReplyMeaning
from deliverkit.smtp.refusal import LONGEST, Refusal, normalised, read_refusal

MOST_GROUPS = 2_000
MOST_HOSTS = 50
_LONGEST_LINE = 65_536
_BLOCK = 200  # lines of one traceback or error object

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d"
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
)
_POSTFIX = re.compile(r"postfix\S*\[\d+\]: ")
_POSTFIX_STATUS = re.compile(r"relay=([^,\[]+)\S*,.*?status=(bounced|deferred|expired|undeliverable) \((.*)\)\s*$")
_POSTFIX_SAID = re.compile(r"(?:host )?(\S+?)\[\S*\](?::\d+)? (?:said|refused to talk to me): (.*)")
_POSTFIX_REJECT = re.compile(
    r"(?:NOQUEUE|[0-9A-Za-z]{6,}): (?:milter-)?reject: \w+ from (\S+?)\[\S*\](?::\d+)?: (.*?)(?:; from=.*)?$"
)
_POSTFIX_SASL = re.compile(r"SASL authentication failed; server (\S+?)\[\S*\] said: (.*)")
_IN_REPLY = re.compile(r"\s*\(in reply to [^)]*\)?\s*$")
_EXIM = re.compile(r"^\S+ \S+ (?:\[\d+\] )?\w{6}-\w{6,11}-\w{2,4} (\*\*|==) (\S+) (.*)")
_EXIM_HOST = re.compile(r"\bH=(\S+)")
_EXIM_SAID = re.compile(
    r"SMTP error from remote mail server after [^:]*(?::<[^>]*>)?[^:]*: (?:host \S+(?: \[\S+\])?: )?(.*)"
)
_EXIM_DEFER = re.compile(r"defer \(-?\d+\)(?: H=\S+(?: \[\S+\])?)?:? ?(.*)")
_EXIM_REJECT = re.compile(r"\bH=.*? rejected \S+.*?: (.*)")
_RAISED = re.compile(r"(?<!\S)[\w.]{0,120}(?:Error|Exception|Refused|Disconnected|gaierror|timeout)(?: \[\w+\])?: .")
_MAYBE = re.compile(r"[45]\d\d|[A-Za-z](?:rror|xception|efused|isconnected|imeout|imed out|eceived|nable)|MTA:|Action:")
_PYTHON_CHAIN = re.compile(r"^(?:During handling of the above exception|The above exception was the direct cause)")
_MEMBER = re.compile(r"^\s+\"?(code|response|responseCode|command|errno|address)\"?: (.*?),?\s*$")
_STACK = re.compile(r"^\s+\S|^Traceback |^}")
_DIAGNOSTIC = re.compile(r"^Diagnostic-Code:\s*(?:[\w-]+\s*;)?\s*(.*)", re.IGNORECASE)
_STATUS = re.compile(r"^Status:\s*([45]\.\d{1,3}\.\d{1,3})", re.IGNORECASE)
_ACTION = re.compile(r"^Action:\s*(\w+)", re.IGNORECASE)
_REMOTE = re.compile(r"^(?:Remote|Reporting)-MTA:\s*[\w-]+\s*;\s*(\S+)", re.IGNORECASE)
_PART = re.compile(
    r"Content-Type:\s*(?:multipart/report|message/(?:delivery-status|rfc822|global)|text/rfc822-headers)", re.IGNORECASE
)
_CONTEXT = re.compile(r"\bsmtp\b|\bmail(?:er)?\b|\be-?mail\b|\bSMTP", re.IGNORECASE)
_SURE = re.compile(
    r"SMTP (?:Error|ERROR): |SMTP connect\(\) failed|Could not (?:connect to SMTP|instantiate mail)|Mailer Error|"
    r"Greeting never received|Invalid login: |Missing credentials for|\bsmtplib\.|(?:javax|jakarta)\.mail\.|"
    r"Could not convert socket to TLS|Client does not have permissions to send as this sender"
)
_ENHANCED_REPLY = re.compile(r"\b([45]\d\d)[ -]#?([45])\.\d{1,3}\.\d{1,3}\b")


@dataclass(frozen=True, slots=True)
class Seen:
    """One refusal of a log: what was said, by which host, when (as the log writes it), and if it is tried again."""

    refusal: Refusal
    kind: str
    host: str | None = None
    at: str | None = None
    deferred: bool = False


@dataclass(slots=True)
class Group:
    """Refusals of one cause. ``cause`` is None where nobody knows the words: then they are equal but for addresses."""

    sample: Seen
    cause: ReplyMeaning | None
    count: int = 0
    deferred: int = 0
    first: str | None = None
    last: str | None = None
    hosts: Counter[str] = field(default_factory=Counter)

    def add(self, seen: Seen) -> None:
        """Count one more."""
        self.count += 1
        self.deferred += seen.deferred
        self.first = self.first or seen.at
        self.last = seen.at or self.last
        if seen.host and (seen.host in self.hosts or len(self.hosts) < MOST_HOSTS):
            self.hosts[seen.host] += 1

    @property
    def meaning(self) -> str | None:
        """What the cause is, or what its codes say by the book."""
        if self.cause is not None:
            return self.cause.meaning
        told = by_the_book(self.sample.refusal.code, self.sample.refusal.enhanced)
        return None if told is None else f"by its codes: {told}"

    def to_json(self) -> dict[str, Any]:
        """The group as a report shows it."""
        return {
            "cause": None if self.cause is None else self.cause.id,
            "count": self.count,
            "deferred": self.deferred,
            "first": self.first,
            "last": self.last,
            "hosts": dict(self.hosts.most_common(5)),
            "said": self.sample.refusal.said,
            "meaning": self.meaning,
            "fix": None if self.cause is None else self.cause.fix,
            "retry": None if self.cause is None else self.cause.retry,
            "source": None if self.cause is None else self.cause.source,
        }


@dataclass(slots=True)
class LogSummary:
    """What a log holds. ``kinds`` counts refusals by the kind of line; ``ungrouped`` those beyond `MOST_GROUPS`."""

    lines: int = 0
    refusals: int = 0
    ungrouped: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    groups: dict[str, Group] = field(default_factory=dict)
    known: dict[str, ReplyMeaning | None] = field(default_factory=dict, repr=False)

    def ranked(self) -> list[Group]:
        """The groups, the most frequent first."""
        return sorted(self.groups.values(), key=lambda group: -group.count)

    def to_json(self) -> dict[str, Any]:
        """The summary as plain data."""
        return {
            "lines": self.lines,
            "refusals": self.refusals,
            "ungrouped": self.ungrouped,
            "kinds": dict(self.kinds),
            "groups": [group.to_json() for group in self.ranked()],
        }


def summarise(lines: Iterable[bytes], provider: str | None = None, *, into: LogSummary | None = None) -> LogSummary:
    """Read a log once. ``provider`` (an id of providers.toml) has its replies looked up first.

    ``into`` is filled as the log is read, so that what was counted stays when the reading is broken off.
    """
    summary = LogSummary() if into is None else into

    def counted() -> Iterator[str]:
        for line in lines:
            summary.lines += 1
            yield line[:_LONGEST_LINE].decode("utf-8", "backslashreplace").rstrip("\r\n")

    for seen in refusals(counted()):
        _count(summary, seen, provider)
    return summary


def _count(summary: LogSummary, seen: Seen, provider: str | None) -> None:
    summary.refusals += 1
    summary.kinds[seen.kind] += 1
    said = f"{seen.refusal.code} {seen.refusal.enhanced} {normalised(seen.refusal.text)}"
    if said not in summary.known:  # the table is searched once for refusals that differ in addresses alone
        if len(summary.known) >= MOST_GROUPS:
            summary.known.clear()
        summary.known[said] = seen.refusal.meaning(provider)
    cause = summary.known[said]
    name = said if cause is None else cause.id
    group = summary.groups.get(name)
    if group is None:
        if len(summary.groups) >= MOST_GROUPS:
            summary.ungrouped += 1
            return
        group = summary.groups[name] = Group(seen, cause)
    group.add(seen)


# -- from lines to refusals -------------------------------------------------------------------------------


def refusals(lines: Iterable[str]) -> Iterator[Seen]:
    """Every refusal, once each: what a program writes over several lines is one."""
    block, report = _Block(), _Report()
    for line in lines:
        if report.skips(line):
            continue
        if block.takes(line):
            continue
        yield from block.end()
        if _POSTFIX.search(line):
            seen = _of_postfix(line)
            if seen is not None:
                yield seen
            if seen is not None or "status=sent" in line:  # most lines say that mail was sent
                continue
        if not _MAYBE.search(line) and not line.startswith("Traceback "):
            continue
        seen = _of_a_line(line)
        if seen is not None:
            yield seen
        else:
            block.begin(line)
    yield from block.end()


def _of_a_line(line: str) -> Seen | None:
    """The refusal of a line that says everything: of Exim, or a JSON object."""
    if line.lstrip().startswith("{"):
        return _of_json(line)
    return _of_exim(line)


def _at(line: str) -> str | None:
    match = _TIME.search(line[:120])
    return match[0] if match else None


def _of_postfix(line: str) -> Seen | None:
    if "status=sent" in line or not ("status=" in line or "reject: " in line or "SASL " in line):
        return None
    at = _at(line)
    if (match := _POSTFIX_STATUS.search(line)) is not None:
        relay, status, told = match[1], match[2], match[3]
        host = None if relay == "none" else relay
        if (said := _POSTFIX_SAID.search(told)) is not None:
            host, told = said[1], _IN_REPLY.sub("", said[2])
        return Seen(read_refusal(told), "postfix", host, at, deferred=status == "deferred")
    for pattern in (_POSTFIX_SASL, _POSTFIX_REJECT):
        if (match := pattern.search(line)) is not None:
            return Seen(read_refusal(match[2]), "postfix", match[1], at, deferred=match[2].startswith("4"))
    return None


def _of_exim(line: str) -> Seen | None:
    match = _EXIM.match(line)
    if match is None:
        rejected = _EXIM_REJECT.search(line) if " rejected " in line and " H=" in line else None
        return None if rejected is None else Seen(read_refusal(rejected[1]), "exim", None, _at(line))
    rest = match[3]
    host = _EXIM_HOST.search(rest)
    said = _EXIM_SAID.search(rest) or _EXIM_DEFER.search(rest)
    told = said[1] if said else rest.partition(": ")[2] or rest
    return Seen(read_refusal(told), "exim", host[1] if host else None, _at(line), deferred=match[1] == "==")


def _of_json(line: str) -> Seen | None:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    inner = next((told[k] for k in ("err", "error", "exception") if isinstance(told.get(k), dict)), told)
    words = [inner.get(k) for k in ("response", "message", "msg", "stack")] + [told.get("msg"), told.get("message")]
    text = next((str(word) for word in words if word), "")
    code = inner.get("code")
    text = f"{text} (code {code})" if isinstance(code, str) and code not in text else text
    if not _about_mail(text, str(inner.get("command", "")) + str(code)):
        return None
    stamp = told.get("time", told.get("timestamp", told.get("ts")))
    host = inner.get("host", inner.get("hostname"))
    return Seen(
        read_refusal(text), "json", host if isinstance(host, str) else None, None if stamp is None else str(stamp)
    )


def _about_mail(text: str, more: str = "") -> bool:
    """True where a mail error shows beyond doubt: a reply with an enhanced code of its class, or a client's words."""
    reply = _ENHANCED_REPLY.search(text)
    if reply is not None and reply[1][0] == reply[2]:
        return True
    if _SURE.search(text):
        return True
    known = read_refusal(text)
    if known.client is not None and known.client != "go":
        return known.meaning() is not None or known.code is not None
    return bool(_CONTEXT.search(text + more) or re.search(r"\bEAUTH\b|CONN\b", more)) and known.meaning() is not None


class _Report:
    """Where a line stands in a bounce (RFC 6522): only the part for machines counts, not the same again for people."""

    def __init__(self) -> None:
        self._skipping = False

    def skips(self, line: str) -> bool:
        """True for a line of another part of a multipart/report."""
        if line.startswith("From "):  # the next message of an mbox
            self._skipping = False
        elif _PART.match(line) or (line[:1] in " \t;" and "report-type=delivery-status" in line):
            self._skipping = "message/delivery-status" not in line.lower()
        return self._skipping


class _Block:
    """An error that was written over several lines: an exception with its stack, an error object, a bounce's part."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._more: dict[str, str] = {}
        self._kind = ""
        self._at: str | None = None
        self._lines = 0
        self._chained = False

    def begin(self, line: str) -> None:
        """Start with this line, if an error may begin here."""
        self.__init__()  # type: ignore[misc]
        if (told := _DIAGNOSTIC.match(line)) is not None:
            self._kind, self._text = "bounce", [told[1]]
        elif (status := _STATUS.match(line)) is not None:
            self._kind, self._more = "bounce", {"status": status[1]}
        elif (action := _ACTION.match(line)) is not None:
            self._kind, self._more = "bounce", {"action": action[1].lower()}
        elif (remote := _REMOTE.match(line)) is not None:
            self._kind, self._more = "bounce", {"host": remote[1]}
        elif line.startswith("Traceback ") or _RAISED.search(line, 0, 400):
            self._kind, self._text, self._at = "error", [line.strip()[:LONGEST]], _at(line)
        elif _about_mail(line[:LONGEST]):
            self._kind, self._text, self._at = "line", [line.strip()[:LONGEST]], _at(line)

    def takes(self, line: str) -> bool:
        """True if the line belongs to what was begun."""
        self._lines += 1
        if not self._kind or self._lines > _BLOCK:
            return False
        return self._takes_bounce(line) if self._kind == "bounce" else self._takes_error(line)

    def _takes_bounce(self, line: str) -> bool:
        if self._text and line[:1] in (" ", "\t") and line.strip():  # a folded field
            self._text.append(line.strip())
            return True
        for name, pattern in (("status", _STATUS), ("action", _ACTION), ("host", _REMOTE)):
            if (match := pattern.match(line)) is not None and name not in self._more:
                self._more[name] = match[1].lower() if name == "action" else match[1]
                return True
        if (told := _DIAGNOSTIC.match(line)) is not None and not self._text:
            self._text = [told[1]]
            return True
        return bool(re.match(r"[A-Za-z-]+:", line)) and not _DIAGNOSTIC.match(line) and not _REMOTE.match(line)

    def _takes_error(self, line: str) -> bool:
        if _PYTHON_CHAIN.match(line):
            self._chained = True
            return True
        if (member := _MEMBER.match(line)) is not None:
            self._more.setdefault(member[1], member[2].strip("'\""))
            return True
        last = self._text[-1] if self._text else ""
        if re.search(r"\b[45]\d\d-", last) and re.match(r"\s*[45]\d\d[ -]", line):  # the reply goes on
            self._text.append(line.strip()[:LONGEST])
            return True
        if line.startswith("Caused by: ") or (last.startswith("Traceback ") and _RAISED.search(line, 0, 400)):
            self._text.append(line.strip()[:LONGEST])
            return True
        if self._chained and (not line.strip() or line.startswith("Traceback ") or _RAISED.search(line, 0, 400)):
            return True  # what was raised while the first was handled says no more
        return self._kind == "error" and (
            bool(_STACK.match(line)) or (last.startswith("Traceback ") and line[:1] == " ")
        )

    def end(self) -> Iterator[Seen]:
        """The refusal of the lines taken, if they hold one."""
        kind, self._kind = self._kind, ""
        if kind == "bounce":
            yield from self._bounce()
        elif kind:
            yield from self._error(kind)

    def _bounce(self) -> Iterator[Seen]:
        text, status = " ".join(self._text), self._more.get("status")
        if self._more.get("action") in ("delivered", "relayed", "expanded") or not (text or status):
            return
        read = read_refusal(text)
        if read.enhanced is None and status is not None:
            read = Refusal(read.text, read.code or int(f"{status[0]}50"), status)
        yield Seen(read, "bounce", self._more.get("host"), None, deferred=self._more.get("action") == "delayed")

    def _error(self, kind: str) -> Iterator[Seen]:
        told = [line for line in self._text if not line.startswith("Traceback ")]
        response, code = self._more.get("response"), self._more.get("code")
        if response:
            told = [response.replace("\\n", " ").replace("\\r", ""), *told]
        text = " ".join(told)
        if code and code not in text:
            text = f"{text} (code {code}, command {self._more.get('command', '')})"
        if not text or not _about_mail(text, " ".join(self._more.values())):
            return
        causes = [read for line in reversed(told) if (read := read_refusal(line)).meaning() is not None]
        yield Seen(read_refusal(text) if response or not causes else causes[0], kind, None, self._at)
