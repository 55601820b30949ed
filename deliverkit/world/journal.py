"""A journal: what one run saw of the world, as JSON Lines that a person can read and mail to a colleague.

The first line says what was asked (verb, subjects, options, vantage); then each subject with its time, the message or
the public keys that belong to it, every DNS answer and every SMTP conversation; the last line counts the lines and
bears a digest over them. docs/journal.md shows one. A file that is truncated, altered, of another format or of another
version is refused with a `JournalError` that says so. What this file will not do: ask, replay, or judge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from deliverkit import __version__
from deliverkit.facts.vantage import Vantage
from deliverkit.flow import Answer, Page, Question
from deliverkit.world import journal_values as values
from deliverkit.world.journal_values import BadValue, Json, wrong

FORMAT: Final = "deliverkit.journal/1"
MOST_OCTETS: Final = 256 * 2**20
MOST_LINE: Final = 96 * 2**20  # a message of 64 MB in base64 fits
LOOSE: Final = "world"
"""The verb of what no verb asked for: a flow that a program ran by itself in a recorded world."""

BELOW: Final = "check"
"""The verb of what lies below the sources of a check: answers alone, which no verb can be run from again."""

VERBS: Final = ("audit", "verify", "probe", BELOW, LOOSE)
ANY_VERSION: Final = "--any-version"


class JournalError(ValueError):
    """A journal that cannot be read or replayed; the text names the file, what is wrong, and what to do."""


@dataclass(slots=True)
class Conversation:
    """One SMTP conversation: what the flow asked and heard, in JSON form, and the transcript.

    ``about`` says which of its run it is, such as "mx.example.com:25/mx at 192.0.2.1".
    """

    about: str
    dialogue: list[tuple[Json, Any]]
    transcript: Json


@dataclass(slots=True)
class Section:
    """What was seen of one subject. ``at`` is the time it was in the world, and stays so in a replay.

    ``keys`` are the public halves of private keys by selector, in JSON form; ``late`` says which works were not done in
    time, and why; ``interrupted``: Ctrl-C came while this subject was looked at; ``finished``: it got its report.
    """

    subject: str
    at: datetime
    verb: str = LOOSE
    options: Json = field(default_factory=dict)
    message: bytes | None = None
    keys: dict[str, Json] = field(default_factory=dict)
    answers: dict[Question, Answer] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    finished: bool = False

    def lines(self, verb: str, options: Json) -> Iterator[Json]:
        """The section as the objects of its lines; verb and options are told where the first line tells others."""
        head: Json = {"subject": self.subject, "at": _time_json(self.at)}
        if self.interrupted:
            head["interrupted"] = True
        if not self.finished and self.verb != LOOSE:
            head["unfinished"] = True
        if self.verb != verb:
            head["verb"] = self.verb
        if self.options != options:
            head["options"] = self.options
        yield head
        if self.message is not None:
            yield {"message": values.message_json(self.message)}
        for selector, key in self.keys.items():
            yield {"key": selector, **key}
        for answer in self.answers.values():
            yield values.answer_json(answer)
        for one in self.conversations.values():
            dialogue = [{"ask": asked, "heard": heard} for asked, heard in one.dialogue]
            yield {"smtp": one.about, "dialogue": dialogue, "transcript": one.transcript}
        for page in self.pages.values():
            yield values.page_json(page)
        for work, why in self.late.items():
            yield {"late": work, "why": why}


@dataclass(slots=True)
class Journal:
    """One run: written by a recording world, read back by a replaying one.

    ``verb`` and ``options`` are those of the first section. ``told``: DNS was answered by zones and tables alone.
    ``loose`` holds what no verb asked for. ``origin`` names the file in messages; ``version`` is the program's.
    """

    verb: str = LOOSE
    options: Json = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    vantage: Vantage = field(default_factory=lambda: Vantage("offline"))
    told: bool = False
    sections: list[Section] = field(default_factory=list)
    loose: Section = field(default_factory=lambda: Section("", datetime.now(UTC)))
    interrupted: bool = False
    origin: str = "journal"
    version: str = __version__

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects in the order in which they were begun."""
        return tuple(section.subject for section in self.sections)

    def begin(self, section: Section) -> Section:
        """Add a section."""
        if not self.sections:
            self.verb, self.options = section.verb, section.options
        self.sections.append(section)
        return section

    # -- writing ------------------------------------------------------------------------------------------

    def octets(self) -> bytes:
        """The journal as a file holds it. Raises JournalError when it is too large to be replayed."""
        head: Json = {
            "journal": FORMAT,
            "deliverkit": self.version,
            "verb": self.verb,
            "subjects": list(self.subjects),
            "started": _time_json(self.started),
            "options": self.options,
            "vantage": values.plain(self.vantage),
            "told": self.told,
            "interrupted": self.interrupted,
        }
        body = [values.dumped(head)]
        loose = [self.loose] if self.loose.answers or self.loose.conversations else []
        for section in (*loose, *self.sections):
            body += map(values.dumped, section.lines(self.verb, self.options))
        end = {"end": len(body), "sha256": _digest(line.encode("ascii") for line in body)}
        whole = "\n".join([*body, values.dumped(end), ""]).encode("ascii")
        if len(whole) > MOST_OCTETS or max(map(len, body)) > MOST_LINE:
            size = f"{len(whole):,} octets, of which {MOST_OCTETS:,} can be replayed"
            raise JournalError(f"the journal has {size}: record fewer subjects")
        return whole

    def save(self, path: str | Path) -> None:
        """Write the journal, whole or not at all. Raises OSError or JournalError."""
        from deliverkit.world.wholefile import write_whole

        write_whole(Path(path), self.octets())

    # -- reading ------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | Path, *, any_version: bool = False) -> Self:
        """Read a journal. Raises JournalError for every file that is none, is damaged, or is of another version."""
        try:
            with Path(path).open("rb") as file:
                octets = file.read(MOST_OCTETS + 1)
        except IsADirectoryError:
            raise JournalError(f"{path} is a directory; name a journal in it") from None
        except (OSError, ValueError) as bad:  # ValueError: a null byte in the name
            raise JournalError(f"cannot read {path}: {getattr(bad, 'strerror', None) or bad}") from None
        return cls.parse(octets, str(path), any_version=any_version)

    @classmethod
    def parse(cls, octets: bytes, origin: str = "journal", *, any_version: bool = False) -> Self:
        """Read the octets of a journal; ``origin`` names it in refusals. Raises JournalError."""
        head, lines = _whole_lines(octets, origin)
        _refuse_other_version(head, origin, any_version)
        with _at(origin, 1):
            journal = cls._headed(head, origin)
        section = None
        for number, line in enumerate(lines, start=2):
            with _at(origin, number):
                section = _add(journal, section, _object(line))
        if journal.subjects != tuple(head["subjects"]):
            raise JournalError(f"{origin}: its first line names other subjects than its lines: it was altered")
        return journal

    @classmethod
    def _headed(cls, head: Json, origin: str) -> Self:
        options = head.get("options")
        if not isinstance(options, dict):
            raise wrong("options", options, "an object")
        values.fitted(tuple[str, ...], head.get("subjects"), "subjects")
        return cls(
            verb=_verb(head.get("verb")),
            options=options,
            started=_time_of(head.get("started"), "started"),
            vantage=values.made(Vantage, head.get("vantage"), "vantage"),
            told=values.fitted(bool, head.get("told"), "told"),
            interrupted=values.fitted(bool, head.get("interrupted"), "interrupted"),
            origin=origin,
            version=str(head["deliverkit"]),
        )


def _time_json(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time_of(value: Any, key: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise wrong(key, value, "a time such as 2026-11-22T10:00:00Z") from None
    if moment.tzinfo is None:
        raise wrong(key, value, "a time with its zone, such as 2026-11-22T10:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise wrong(key, value, "a time between the years 1 and 9999") from None


def _digest(lines: Iterator[bytes] | list[bytes]) -> str:
    """Over the lines with LF, so that a journal that came by mail with CRLF is still whole."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
        digest.update(b"\n")
    return digest.hexdigest()


# -- is it whole, and is it ours? -------------------------------------------------------------------------


def _whole_lines(octets: bytes, origin: str) -> tuple[Json, list[bytes]]:
    """The first line as an object, and the lines between it and the last. Raises JournalError."""
    if len(octets) > MOST_OCTETS:
        raise JournalError(f"{origin} is larger than {MOST_OCTETS // 2**20} MB, the most that is read")
    if not octets.strip():
        raise JournalError(f"{origin} is empty: there is no journal in it")
    first, *rest = (line.removesuffix(b"\r") for line in octets.split(b"\n"))
    try:
        head = _object(first)
    except BadValue:
        head = {}
    format_ = head.get("journal")
    if not isinstance(format_, str):
        raise JournalError(f"{origin} is no journal of deliverkit; --record writes one")
    if format_ != FORMAT:
        raise JournalError(
            f"{origin} is of the format {values.shown(format_)}, and this version reads {FORMAT}: "
            "replay it with the version that recorded it, or record it anew"
        )
    if len(rest) < 2 or rest[-1]:
        raise _truncated(origin)
    *lines, last, _ = rest
    try:
        end = _object(last)
    except BadValue:
        raise _truncated(origin) from None
    if "end" not in end:
        raise _truncated(origin)
    if end != {"end": len(lines) + 1, "sha256": _digest([first, *lines])}:
        raise JournalError(f"{origin} was altered or damaged: its lines do not fit the digest in its last line")
    return head, lines


def _truncated(origin: str) -> JournalError:
    return JournalError(f"{origin} is truncated: its last line is not the one that closes a journal; fetch it again")


def _refuse_other_version(head: Json, origin: str, any_version: bool) -> None:
    version = head.get("deliverkit")
    if version != __version__ and not any_version:
        raise JournalError(
            f"{origin} was recorded by deliverkit {values.shown(version)}, and this is {__version__}, which may ask "
            f"and judge otherwise: replay it with that version, or with {ANY_VERSION} to judge it by today's rules"
        )


@contextmanager
def _at(origin: str, number: int) -> Iterator[None]:
    """A value that does not fit becomes a refusal that names the line."""
    try:
        yield
    except BadValue as bad:
        raise JournalError(f"{origin}, line {number}: {bad}") from None
    except RecursionError:
        raise JournalError(f"{origin}, line {number}: is nested too deeply") from None


def _object(line: bytes) -> Json:
    """A line as a JSON object. Raises BadValue."""
    import json

    if len(line) > MOST_LINE:
        raise BadValue(f"is longer than {MOST_LINE // 2**20} MB")
    try:
        value = json.loads(line.decode("ascii"), parse_constant=_no_number)
    except RecursionError:
        raise BadValue("is nested too deeply") from None
    except ValueError:
        raise BadValue("is no JSON") from None
    if not isinstance(value, dict):
        raise BadValue("is no JSON object")
    return value


def _no_number(word: str) -> Any:
    raise ValueError(word)


# -- the lines between ------------------------------------------------------------------------------------


def _add(journal: Journal, section: Section | None, line: Json) -> Section:
    """Put a line into its section, and return that. Raises BadValue."""
    if "subject" in line:
        return _headed(journal, line)
    if section is None:
        raise BadValue("stands before the first subject")
    if "dns" in line:
        answer = values.answer_of(line)
        section.answers.setdefault(answer.question, answer)
    elif "smtp" in line:
        one = _conversation(line)
        section.conversations.setdefault(one.about, one)
    elif "https" in line:
        page = values.page_of(line)
        section.pages.setdefault(page.url, page)
    elif "message" in line:
        section.message = values.message_of(line["message"])
    elif "key" in line:
        selector = values.fitted(str, line["key"], "key")
        section.keys[selector] = {name: value for name, value in line.items() if name != "key"}
    elif "late" in line:
        section.late[values.fitted(str, line["late"], "late")] = values.fitted(str, line.get("why"), "why")
    else:
        raise BadValue(f"has none of the keys subject, dns, smtp, https, message, key, late: {values.shown(line)}")
    return section


def _headed(journal: Journal, line: Json) -> Section:
    """The section that a line begins. Raises BadValue."""
    if strange := set(line) - {"subject", "at", "interrupted", "unfinished", "verb", "options"}:
        raise BadValue(f"the key {values.shown(min(strange))} is unknown here")
    options = line.get("options", journal.options)
    if not isinstance(options, dict):
        raise wrong("options", options, "an object")
    section = Section(
        values.fitted(str, line["subject"], "subject"),
        _time_of(line.get("at"), "at"),
        _verb(line.get("verb", journal.verb)),
        options,
        interrupted=values.fitted(bool, line.get("interrupted", False), "interrupted"),
        finished=not values.fitted(bool, line.get("unfinished", False), "unfinished"),
    )
    if section.verb == LOOSE:
        journal.loose = section
    else:
        journal.sections.append(section)
    return section


def _verb(value: Any) -> str:
    if value not in VERBS:
        raise wrong("verb", value, f"one of {', '.join(VERBS)}")
    return str(value)


def _conversation(line: Json) -> Conversation:
    """A conversation. Its heards and its transcript are looked at here, so that a replay meets no surprise."""
    dialogue = line.get("dialogue")
    if not isinstance(dialogue, list):
        raise wrong("dialogue", dialogue, "a list")
    turns: list[tuple[Json, Any]] = []
    for turn in dialogue:
        if not isinstance(turn, Mapping) or set(turn) != {"ask", "heard"} or not isinstance(turn["ask"], dict):
            raise wrong("dialogue", turn, "objects with ask and heard")
        values.heard_of(turn["heard"])
        turns.append((turn["ask"], turn["heard"]))
    values.transcript_of(line.get("transcript"))
    return Conversation(values.fitted(str, line["smtp"], "smtp"), turns, line["transcript"])
