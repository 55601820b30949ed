"""Rules about links and images: where they lead, and whether they lead where they say."""

from __future__ import annotations

import re

from deliverkit.addresses import is_public
from deliverkit.facts.message import MessageFacts
from deliverkit.facts.message.unsubscribe import host_of, scheme_of
from deliverkit.findings import Draft, Severity, finding
from deliverkit.rules.message.places import at_line, short
from deliverkit.rules.message.shown import Target, at_target, targets
from deliverkit.rules.registry import Findings, rule

_USUAL = ("http", "https", "mailto", "tel", "sms", "cid", "webcal", "geo", "facetime", "whatsapp", "tg", "market")
_DANGEROUS = ("javascript", "vbscript", "data", "file", "blob", "about", "res", "smb", "search-ms", "ms-msdt")
_ONLY_HERE = re.compile(r"(?:.*\.)?(?:localhost|local|localdomain|internal|lan|intranet|home\.arpa)\.?")
_CONTAINERS = ("host.docker.internal", "kubernetes.docker.internal")
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+(?:\.\d+){0,2}")  # other spellings of an address that browsers take
# A text that is a web address and nothing else. Without scheme or www. the last label must be a usual one, or file
# names and product names (node.js, report.pdf) would be taken for hosts.
_SHOWN_HOST = re.compile(
    r"(https?://)?((?:[a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{1,62})\.?(?::\d+)?(?:[/?#]\S*)?", re.IGNORECASE
)
_USUAL_ENDING = re.compile(
    r"com|net|org|edu|gov|info|biz|dev|app|shop|online|site|xyz|example|test|invalid|eu|de|fr|nl|it|es|ch|at|be|pl|se|dk"
    r"|fi|no|cz|uk|ie|pt|ru|cn|jp|br|in|au|ca|us"
)


def only_here(host: str) -> bool:
    """True for a host that means another machine, or none, on the reader's side."""
    host = host.strip("[]").rstrip(".")
    if not host:
        return False
    if ":" in host or re.fullmatch(r"\d+\.\d+\.\d+\.\d+", host):
        return not is_public(host)
    return bool(_ONLY_HERE.fullmatch(host)) or host in _CONTAINERS or ("." not in host and not _NUMBER.fullmatch(host))


@rule("MSG130", Severity.WARNING, "good practice")
def link_to_own_network(facts: MessageFacts) -> Findings:
    """A link or image leads to a host that only you can reach.

    Why: `localhost`, private addresses and internal names lead nowhere for the reader; they come from a base URL that
    was not changed for production.
    Fix: set the public base URL of the application (`https://www.example.com`) in the environment that sends mail.
    """
    guilty = [
        target
        for target in targets(facts)
        if scheme_of(target.url) in ("http", "https", "ws", "wss", "ftp") and only_here(host_of(target.url))
    ]
    if guilty:
        yield _drafted(facts, guilty)


def _drafted(facts: MessageFacts, guilty: list[Target]) -> Draft:
    said = ", ".join(f"{target.kind} {short(target.url, 80) or '(empty)'}" for target in guilty[:3])
    more = f" and {len(guilty) - 3} more" if len(guilty) > 3 else ""
    return finding(said + more, at=tuple(at_target(facts, target) for target in guilty[:10]))


@rule("MSG131", Severity.WARNING, "good practice")
def link_leads_nowhere(facts: MessageFacts) -> Findings:
    """A link or image has no address that works in mail.

    Why: a message has no base address, so relative links, empty ones and `#` lead nowhere; a URL without a host or
    with a broken one neither.
    Fix: write whole URLs with scheme and host; make relative ones absolute when the template is rendered.
    """
    guilty = [target for target in targets(facts) if _nowhere(target.kind, target.url)]
    if guilty:
        yield _drafted(facts, guilty)


def _nowhere(what: str, target: str) -> bool:
    scheme = scheme_of(target)
    if scheme in ("http", "https"):
        return not host_of(target)
    if scheme or target.startswith("//"):
        return False
    if what == "link" and len(target) > 1 and target.startswith("#"):
        return False  # an anchor within the message
    return "{" not in target and "<%" not in target and "*|" not in target  # a placeholder has its own rule


@rule("MSG132", Severity.WARNING, "good practice")
def dangerous_link(facts: MessageFacts) -> Findings:
    """A link uses a scheme that mail readers block.

    Why: `javascript:`, `data:`, `file:` and their like are cut out by readers and count as an attack for filters.
    Fix: link to an https: page that does the work.
    """
    guilty = [
        target
        for target in targets(facts)
        if scheme_of(target.url) in _DANGEROUS and not (target.kind == "image" and scheme_of(target.url) == "data")
    ]
    if guilty:
        yield _drafted(facts, guilty)


@rule("MSG133", Severity.NOTE, "good practice")
def unusual_link(facts: MessageFacts) -> Findings:
    """A link uses a scheme few programs know.

    Why: for most readers the link does nothing.
    Fix: link to an https: page that opens the application.
    """
    usual = (*_USUAL, *_DANGEROUS, "ws", "wss", "ftp")
    guilty = [t for t in targets(facts) if scheme_of(t.url) and scheme_of(t.url) not in usual]
    if guilty:
        yield _drafted(facts, guilty)


@rule("MSG134", Severity.NOTE, "good practice")
def image_in_clear(facts: MessageFacts) -> Findings:
    """An image is loaded without TLS.

    Why: several readers do not load http: images, or warn about them, and everybody on the way sees who reads what.
    Fix: serve the images by https: and link to them so.
    """
    images = [target for target in targets(facts) if target.kind == "image"]
    guilty = [image for image in images if scheme_of(image.url) == "http" and not only_here(host_of(image.url))]
    if guilty:
        yield _drafted(facts, guilty)


@rule("MSG135", Severity.NOTE, "good practice")
def image_within_html(facts: MessageFacts) -> Findings:
    """An image is written into the HTML as data:.

    Why: Gmail and Outlook do not show data: images.
    Fix: attach the image and refer to it by cid:, or link to it by https:.
    """
    count = sum(scheme_of(image.source) == "data" for image in facts.page.images) if facts.page else 0
    if count:
        yield finding(f"{count} images as data:")


@rule("MSG136", Severity.WARNING, "good practice")
def link_shows_another_host(facts: MessageFacts) -> Findings:
    """A link shows one web address and leads to another.

    Why: it is how phishing works, so filters and readers warn about it, also when the other host only counts clicks.
    Fix: show words instead of an address, or link to the address that is shown; a click counter on a name below your
    own domain (`links.example.com`) does no harm.
    """
    guilty = []
    for link in facts.page.links if facts.page else ():
        shown, leads = _shown_host(link.text), host_of(link.target)
        if shown and leads and scheme_of(link.target) in ("http", "https") and _site(shown) != _site(leads):
            guilty.append((shown, leads, link))
    if guilty:
        said = ", ".join(f"shows {shown}, leads to {leads}" for shown, leads, _ in guilty[:3])
        more = f" and {len(guilty) - 3} more" if len(guilty) > 3 else ""
        places = ((facts.line_in("text/html", one.line), f"{one.text} -> {one.target}") for _, _, one in guilty[:10])
        yield finding(said + more, at=tuple(at_line(facts, line, value, "link") for line, value in places))


def _shown_host(text: str) -> str | None:
    """The host a link's text shows, if the text is a web address and nothing else. An e-mail address is none."""
    match = _SHOWN_HOST.fullmatch(text.strip())
    if match is None or "@" in text:
        return None
    host = match[2].lower()
    certain = match[1] or host.startswith("www.") or _USUAL_ENDING.fullmatch(host.rpartition(".")[2])
    return host if certain else None


def _site(host: str) -> str:
    """The part of a host that has one owner, as near as the name tells: two labels, three below co.uk and its like."""
    labels = host.rstrip(".").split(".")
    keep = 3 if len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
    return ".".join(labels[-keep:])


@rule("MSG137", Severity.WARNING, "good practice")
def link_to_bare_address(facts: MessageFacts) -> Findings:
    """A link leads to an IP address instead of a name.

    Why: honest mail links to names; filters count a bare address, and no certificate fits it.
    Fix: link to a host name of your domain.
    """
    guilty = [
        target
        for target in targets(facts)
        if scheme_of(target.url) in ("http", "https") and is_public(host_of(target.url).strip("[]"))
    ]
    if guilty:
        yield _drafted(facts, guilty)
