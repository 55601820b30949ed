"""The public verbs as coroutines. `deliverkit` itself has the same ones, blocking.

Each takes ``world=``; without one it opens the live world and closes it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deliverkit.config import Config
    from deliverkit.engine.checkhost import CheckHost
    from deliverkit.engine.diff import Comparison
    from deliverkit.engine.verify import Verification
    from deliverkit.protocols.dmarc.discover import Discovery
    from deliverkit.report.model import Report
    from deliverkit.smtp.submission import TlsMode
    from deliverkit.world import World
    from deliverkit.world.journal import Journal


@asynccontextmanager
async def _opened(world: World | None, now: datetime | None = None) -> AsyncIterator[World]:
    """The given world, left open, or a live one that is closed afterwards."""
    from deliverkit.world import World

    if world is not None:
        yield world.at(now) if now else world
    else:
        async with World.live(now=now) as live:
            yield live


async def audit(
    domain: str,
    *,
    selectors: Sequence[str] = (),
    world: World | None = None,
    dkim_keys: Mapping[str, str | Path] | None = None,
    only: Sequence[str] = (),
    sends_from: Sequence[str] = (),
    submission: Sequence[str] = (),
    via: Sequence[str] = (),
    probe: bool = True,
    profile: str | None = None,
    parked: bool = False,
    timeout: float = 60.0,
) -> Report:
    """Audit one domain. Raises `deliverkit.names.BadName` when the text is no domain."""
    from deliverkit.engine.audit import AuditOptions
    from deliverkit.engine.audit import audit as run

    options = AuditOptions(
        selectors=tuple(selectors),
        dkim_keys={name: Path(file) for name, file in (dkim_keys or {}).items()},
        only=tuple(only),
        sends_from=tuple(sends_from),
        submission=tuple(submission),
        via=tuple(via),
        probe=probe,
        profile=profile,
        parked=parked,
        seconds=timeout,
    )
    async with _opened(world) as here:
        return await run(domain, world=here, options=options)


async def verify(
    raw: bytes,
    *,
    client_ip: str | None = None,
    helo: str | None = None,
    mail_from: str | None = None,
    profile: str | None = None,
    world: World | None = None,
    now: datetime | None = None,
) -> Verification:
    """Verify one message: SPF, DKIM, DMARC and the message rules. ``raw`` are its octets, untouched."""
    from deliverkit.engine.verify import verify as run

    async with _opened(world, now) as here:
        return await run(raw, world=here, client_ip=client_ip, helo=helo, mail_from=mail_from, profile=profile)


async def replay(journal: str | Path | Journal, *, any_version: bool = False) -> list[Report]:
    """The reports of a journal again, from the file alone: subjects and options come from it.

    Raises `deliverkit.world.journal.JournalError` for a file that is no whole journal of this version.
    """
    from deliverkit.engine.replay import replay as run
    from deliverkit.world.journal import Journal

    return await run(journal if isinstance(journal, Journal) else Journal.load(journal, any_version=any_version))


async def doctor(
    folder: str | Path | None = None,
    *,
    static: bool = False,
    environment: str | None = None,
    url: str | None = None,
    env_files: Sequence[str | Path] = (),
    process: Mapping[str, str] | None = None,
    save: str | Path | None = None,
    digest_key: str | None = None,
    to: str | None = None,
    send: bool = False,
    dkim_keys: Mapping[str, str | Path] | None = None,
    insecure: bool = False,
    ca_file: str | Path | None = None,
    connect_timeout: float = 10.0,
    reply_timeout: float = 30.0,
    world: World | None = None,
    timeout: float = 180.0,
) -> Report:
    """Read the mail settings of the application in a folder, judge them, and climb from here to its servers.

    Nothing of the application is run. ``url`` is a transport as an SMTP URL, judged instead of a folder. ``env_files``
    win over the application's own files of variables, the last one over the others; ``process`` are the variables it
    would be given (`os.environ`, say; none by default). ``save`` is where a snapshot is written for `diff`, with keyed
    digests of secrets where ``digest_key`` is given (16 characters at least). ``static`` sends no packet; ``send``
    delivers a test message to ``to``, signed by ``dkim_keys`` (selector to private key file), where every step before
    it holds.
    """
    from deliverkit.engine.doctor import DoctorOptions, subject_of
    from deliverkit.engine.doctor import doctor as run
    from deliverkit.engine.snapshot import digest_key as stretched
    from deliverkit.engine.snapshot import save_snapshot
    from deliverkit.engine.transport import LadderOptions
    from deliverkit.facts.settings.urltransport import transport_of_url
    from deliverkit.protocols.dkim.keys import load_private_key
    from deliverkit.world import World

    key = None if digest_key is None else stretched(digest_key)
    ladder = LadderOptions(
        to=to,
        insecure=insecure,
        ca_file=str(ca_file) if ca_file else None,
        connect_s=connect_timeout,
        reply_s=reply_timeout,
        seconds=timeout,
    )
    keys = tuple((selector, load_private_key(file)) for selector, file in (dkim_keys or {}).items())
    options = DoctorOptions(
        environment=environment,
        process=process or {},
        env_files={str(file): Path(file).read_text("utf-8") for file in reversed(env_files)},
        url=None if url is None else transport_of_url(url),
        ladder=None if static else ladder,
        send=send,
        keys=keys,
    )
    tree, name = subject_of(Path(folder or "."), options)
    async with _opened(World.offline() if static and world is None else world) as here:
        report = await run(tree, name=name, world=here, options=options)
    if save is not None:
        save_snapshot(report, Path(save), key=key)
    return report


async def check(
    path: str | Path | Config | Sequence[str | Path] | None = None,
    *,
    environment: str | None = None,
    domains: Sequence[str] = (),
    paths: Sequence[str | Path] = (),
    zones: Sequence[str | Path] = (),
    only: Sequence[str] = (),
    probe: bool | None = None,
    facts: bool = True,
    world: World | None = None,
) -> list[Report]:
    """Check a repository: a report on its configuration, and one a zone and a domain.

    ``path`` is a configuration, its file, a folder at or below it (default: the current one), or a list of source files
    that need none. ``domains`` and ``paths`` narrow the check, ``zones`` are sources besides. ``world`` is what lies
    below the sources; by default the configuration says. Raises `deliverkit.config.BadConfig` where nothing could be
    judged; a single file that cannot be read is a finding of the first report.
    """
    from deliverkit.config import BadConfig, Config, find_config, load_config
    from deliverkit.engine.check import CheckOptions
    from deliverkit.engine.check import check as run

    sources: tuple[Path, ...] = ()
    if isinstance(path, Config):
        config = path
    elif path is None or isinstance(path, (str, Path)):
        start = Path(path or ".")
        file = start if start.is_file() else find_config(start)
        if file is None:
            raise BadConfig(str(start), None, "there is no configuration here or above", "write a deliverkit.toml")
        config = load_config(file, environment)
    else:
        sources = tuple(map(Path, path))
        config = Config(folder=Path.cwd())
    options = CheckOptions(
        domains=tuple(domains),
        paths=(*sources, *map(Path, paths)),
        zones=tuple(map(Path, zones)),
        only=tuple(only),
        probe=probe,
        facts=facts,
    )
    return await run(config, options, world=world)


async def check_host(client_ip: str, mail_from: str, helo: str, *, world: World | None = None) -> CheckHost:
    """RFC 7208 check_host: ``.result``, ``.explanation``, ``.trace``. A null ``mail_from`` uses postmaster@helo."""
    from deliverkit.engine.checkhost import check_host as run

    if world is not None:
        return await run(client_ip, mail_from, helo, world=world)
    async with _opened(world) as here:
        return await run(client_ip, mail_from, helo, world=here)


async def diff(old: str | Path, new: str | Path, *, world: World | None = None) -> Comparison:
    """Compare two snapshots of ``doctor --save``, two JSON reports, or zones before and after a change.

    What differs, the gravest first. ``world`` is asked for what zones name outside of themselves (offline by default).
    Raises `deliverkit.engine.snapshotfile.NotComparable` for a file that is none of them, or two of different kinds.
    """
    from deliverkit.engine.diff import diff as run
    from deliverkit.engine.zonediff import holds_zones, zones_compared
    from deliverkit.world import World

    if holds_zones(Path(old)) and holds_zones(Path(new)):
        return await zones_compared(Path(old), Path(new), world=world or World.offline())
    return run(old, new)


async def discover_dmarc(domain: str, *, world: World | None = None) -> Discovery:
    """RFC 9989 policy discovery: ``.record``, ``.policy``, ``.org_domain``, ``.steps``."""
    from deliverkit.names import meant
    from deliverkit.protocols.dmarc.discover import discover_dmarc as flow

    async with _opened(world) as here:
        return await here.run(flow(meant(domain).name))


async def probe(
    *targets: str,
    ports: Sequence[int] = (),
    name: str | None = None,
    ca_file: str | Path | None = None,
    deep: bool = False,
    relay_test: bool = False,
    helo: str | None = None,
    world: World | None = None,
) -> list[Report]:
    """Probe ``HOST[:PORT][/role]`` targets; one report a target."""
    from deliverkit.engine.probe import ProbeOptions
    from deliverkit.engine.probe import probe as run

    options = ProbeOptions(
        ports=tuple(ports),
        name=name,
        ca_file=str(ca_file) if ca_file else None,
        deep=deep,
        relay_test=relay_test,
        helo=helo,
    )
    async with _opened(world) as here:
        return await run(targets, world=here, options=options)


async def send(
    header_from: str,
    to: str | Sequence[str],
    *,
    subject: str | None = None,
    text: str | None = None,
    html: str | None = None,
    cc: Sequence[str] = (),
    attachments: Sequence[str | Path] = (),
    headers: Mapping[str, str] | None = None,
    unsubscribe: str | None = None,
    dkim_keys: Mapping[str, str | Path] | None = None,
    dkim_domain: str | None = None,
    via: str | None = None,
    tls: TlsMode | None = None,
    user: str | None = None,
    password: str | None = None,
    mail_from: str | None = None,
    helo: str | None = None,
    count: int = 1,
    ca_file: str | Path | None = None,
    insecure: bool = False,
    world: World | None = None,
    timeout: float = 900.0,
) -> Report:
    """Send a real test message, through ``via`` ("smtp.example.com:587") or to the recipients' MX hosts.

    ``dkim_keys`` maps selectors to private key files. Raises ValueError, before anything is sent, for what cannot be
    written or signed.
    """
    import platform

    from deliverkit.engine.draft import Draft, content_of, writer_of
    from deliverkit.engine.route import default_tls, read_relay
    from deliverkit.engine.send import SendOptions, local_name
    from deliverkit.engine.send import send as run
    from deliverkit.protocols.dkim.keys import load_private_key
    from deliverkit.protocols.dkim.sign import SigningKey
    from deliverkit.smtp.submission import Auth

    content = content_of(
        Draft(
            header_from=header_from,
            to=(to,) if isinstance(to, str) else tuple(to),
            cc=tuple(cc),
            subject=subject,
            text=text,
            html=html,
            attachments=tuple(Path(file) for file in attachments),
            headers=tuple(f"{name}: {value}" for name, value in (headers or {}).items()),
            unsubscribe=unsubscribe,
        )
    )
    author = content.header_from
    keys = tuple(
        SigningKey(selector, dkim_domain or author.domain, load_private_key(file))
        for selector, file in (dkim_keys or {}).items()
    )
    host, port = read_relay(via) if via else (None, None)
    port = port or (465 if tls == "implicit" else 587)
    async with _opened(world) as here:
        options = SendOptions(
            mail_from=author.spec if mail_from is None else mail_from,
            recipients=tuple(dict.fromkeys(address.spec for address in (*content.to, *content.cc))),
            relay=(host, port) if host else None,
            tls=tls or (default_tls(port, login=password is not None) if host else None),
            helo=helo or local_name(here, platform.node(), author.domain),
            auth=None if password is None else Auth(user or author.spec, password),
            keys=keys,
            count=count,
            ca_file=str(ca_file) if ca_file else None,
            insecure=insecure,
            seconds=timeout,
        )
        return await run(writer_of(content), options, world=here)
