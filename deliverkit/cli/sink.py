"""``deliverkit sink``: options, the line that says where it listens, and one block for each message that arrives."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deliverkit.cli.common import (
    Output,
    Seconds,
    WorldChoice,
    output_options,
    run,
    status_of,
    usage_error,
    world_options,
    write_output,
    write_reports,
)

if TYPE_CHECKING:
    from deliverkit.cli.targets import Target
    from deliverkit.report.model import Report
    from deliverkit.sink import CapturedMessage, Sink

_DEFAULT_LISTENERS = {"smtp": "127.0.0.1:2525", "starttls": "127.0.0.1:2587", "smtps": "127.0.0.1:2465"}
_KEPT_REPORTS = 10_000  # for formats that are written at the end
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _size(_context: click.Context, _option: click.Parameter, text: str) -> int:
    """``64M`` as octets."""
    number, unit = text[:-1], text[-1:].upper()
    if unit.isdigit():
        number, unit = text, ""
    if not number.isascii() or not number.isdigit() or unit not in _UNITS or int(number) == 0:
        raise click.BadParameter(f"{text!r} is no size; give octets, or a number with K, M or G, such as 64M")
    return int(number) * _UNITS[unit]


def _address(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """An IP address in its usual spelling."""
    import ipaddress

    try:
        return None if text is None else str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IP address") from None


def _host(_context: click.Context, _option: click.Parameter, text: str) -> str:
    """A host name or an address literal: one word of printable ASCII (RFC 5321 §4.2)."""
    if not text or any(not 32 < ord(c) < 127 for c in text):
        raise click.BadParameter(f"{text!r} is no host name")
    return text


@click.command()
@click.option("--smtp", metavar="ADDR:PORT", help="Listen in the clear. Port 0 takes any free one.")
@click.option("--starttls", metavar="ADDR:PORT", help="Listen in the clear and offer STARTTLS.")
@click.option("--smtps", metavar="ADDR:PORT", help="Listen with implicit TLS.")
@click.option("--store", metavar="DIR|FILE.db", help="Keep the mail here: .eml and .json files, or SQLite.")
@click.option("--export", "exports", multiple=True, metavar="maildir:DIR|eml:DIR", help="Also write each message here.")
@click.option("--once", is_flag=True, help="End after the first message (--expect 1).")
@click.option(
    "--expect", type=click.IntRange(min=1), metavar="N", help="End after N messages; 3 if fewer come in time."
)
@click.option("--verify/--no-verify", default=True, help="Verify SPF, DKIM, DMARC and the message.  [default: verify]")
@click.option("--client-ip", callback=_address, metavar="IP", help="Evaluate SPF as if the mail came from here.")
@click.option("--profile", type=click.Choice(["bulk"]), help="Judge as mail of this kind.")
@click.option(
    "--dkim-zone",
    "dkim_zones",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="The same as --zone.",
)
@click.option("--auth", metavar="WHO", help="Offer AUTH: any, env:NAME or file:PATH (holding USER:PASSWORD).")
@click.option("--auth-required", is_flag=True, help="Refuse mail without AUTH.")
@click.option("--auth-in-clear", is_flag=True, help="Offer AUTH without TLS too.")
@click.option("--tls-cert", type=click.Path(path_type=Path), metavar="FILE", help="PEM certificate, with its chain.")
@click.option("--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="PEM key of the certificate.")
@click.option("--tls-dir", type=click.Path(path_type=Path), metavar="DIR", help="Keep the self-made authority here.")
@click.option(
    "--hostname",
    default="localhost",
    show_default=True,
    callback=_host,
    metavar="NAME",
    help="The name to greet with.",
)
@click.option("--max-size", default="64M", show_default=True, callback=_size, metavar="SIZE", help="Largest message.")
@click.option("--max-store", default="4G", show_default=True, callback=_size, metavar="SIZE", help="Most that is kept.")
@click.option(
    "--max-messages",
    default=100_000,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Most that are kept.",
)
@click.option(
    "--when-full", type=click.Choice(["evict", "refuse"]), default="evict", show_default=True,
    help="Forget the oldest message, or answer 452.",
)  # fmt: skip
@click.option(
    "--idle", type=Seconds(min=1), default=300, show_default=True, metavar="SECONDS", help="End idle sessions."
)
@click.option("--allow-remote", is_flag=True, help="Allow addresses that other machines can reach.")
@world_options
@output_options
def sink(
    smtp: str | None,
    starttls: str | None,
    smtps: str | None,
    dkim_zones: tuple[Path, ...],
    once: bool,
    expect: int | None,
    exports: tuple[str, ...],
    where: WorldChoice,
    output: Output,
    **options: Any,
) -> None:
    """Receive mail, keep its exact bytes, verify and show it.

    Without a listener it opens three on loopback: 2525 in the clear, 2587 with STARTTLS, 2465 with implicit TLS. It
    never relays. A message is acknowledged once it is stored. Ctrl-C ends it.

    Exit status with --expect or --once: 1 when a message has a finding at --fail-on, 3 when fewer came within the
    seconds of --timeout.
    """
    if once and expect not in (None, 1):
        usage_error("--once means --expect 1: give one of them")
    listeners = {"smtp": smtp, "starttls": starttls, "smtps": smtps}
    if not any(listeners.values()):
        listeners = dict(_DEFAULT_LISTENERS)
    targets = [_export_target(text) for text in exports]
    where = replace(where, zones=(*where.zones, *dkim_zones))
    shown = Shown(output)
    with _usage_errors():
        status = run(_serve(listeners, where, options, shown, 1 if once else expect, targets))
    raise click.exceptions.Exit(shown.finish(status))


def _export_target(text: str) -> tuple[str, Path]:
    kind, _, directory = text.partition(":")
    if kind not in ("maildir", "eml") or not directory:
        usage_error(f"--export {text!r}: expected maildir:DIR or eml:DIR")
    return kind, Path(directory)


@contextlib.contextmanager
def _usage_errors() -> Iterator[None]:
    """What cannot be opened, read or bound is one clear line and status 2."""
    from deliverkit.sink import ExportError, ListenError, StoreError, TlsError

    try:
        yield
    except (ExportError, ListenError, StoreError, TlsError, ValueError) as bad:
        usage_error(str(bad))


def _make_sink(listeners: dict[str, str | None], where: WorldChoice, options: dict[str, Any], arrived: Any) -> Sink:
    from deliverkit.sink import Bounds, Credentials, Judging, Limits, Sink, TlsFiles

    if (options["tls_cert"] is None) != (options["tls_key"] is None):
        usage_error("--tls-cert and --tls-key belong together: give both")
    if options["auth"] is None and (options["auth_required"] or options["auth_in_clear"]):
        usage_error("--auth-required and --auth-in-clear need --auth")
    credentials = options["auth"] and Credentials.told(
        options["auth"], required=options["auth_required"], in_clear=options["auth_in_clear"]
    )
    return Sink(
        **listeners,
        store=options["store"],
        bounds=Bounds(options["max_messages"], options["max_store"], options["when_full"]),
        world=where.open(),
        judging=Judging(options["verify"], options["client_ip"], options["profile"]),
        credentials=credentials,
        limits=Limits(message=options["max_size"], in_flight=4 * options["max_size"], idle_s=options["idle"]),
        tls=TlsFiles(options["tls_cert"], options["tls_key"]) if options["tls_cert"] else None,
        tls_dir=options["tls_dir"],
        hostname=options["hostname"],
        allow_remote=options["allow_remote"],
        on_message=arrived,
        on_session=arrived,
    )


async def _serve(
    listeners: dict[str, str | None],
    where: WorldChoice,
    options: dict[str, Any],
    shown: Shown,
    expect: int | None,
    targets: list[tuple[str, Path]],
) -> int:
    """Run the sink until what is expected came, the time is over, or a signal ends it; the exit status."""
    from deliverkit.sink.export import export

    for kind, directory in targets:
        export([], kind, directory)  # a place that cannot be written is told before any mail comes
    arrivals: asyncio.Queue[CapturedMessage | Report] = asyncio.Queue()
    stop = _Stop()
    server = _make_sink(listeners, where, options, arrivals.put_nowait)
    try:
        async with server, asyncio.timeout(shown.output.timeout):
            _announce(server)
            while expect is None or shown.messages < expect:
                await _take(await arrivals.get(), shown, targets)
    except TimeoutError:
        pass
    except asyncio.CancelledError:
        stop.signalled = stop.signalled or signal.SIGINT
    while not arrivals.empty():  # what was verified while the sink closed
        await _take(arrivals.get_nowait(), shown, targets)
    if server.inbox.problem:
        click.echo(f"deliverkit sink: {server.inbox.problem}", err=True)
    if stop.signalled:
        return 128 + stop.signalled
    few = expect is not None and shown.messages < expect
    if few:
        click.echo(f"deliverkit sink: {shown.messages} of {expect} messages came", err=True)
    return shown.status or (3 if few else 0)


class _Stop:
    """SIGTERM ends the sink as orderly as Ctrl-C does."""

    def __init__(self) -> None:
        self.signalled = 0
        task = asyncio.current_task()
        assert task is not None
        with contextlib.suppress(NotImplementedError, ValueError):  # not on Windows, not in a thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop, task)

    def _stop(self, task: asyncio.Task[Any]) -> None:
        self.signalled = signal.SIGTERM
        task.cancel()


def _announce(server: Sink) -> None:
    """One line for people and programs: ``listening smtp=127.0.0.1:2525 … ca=FILE``."""
    words = [f"{listener}={address}" for listener, address in server.addresses.items()]
    if server.ca_file is not None:
        words.append(f"ca={server.ca_file}")
    click.echo(f"deliverkit sink: listening {' '.join(words)}", err=True)


async def _take(arrived: CapturedMessage | Report, shown: Shown, targets: list[tuple[str, Path]]) -> None:
    """Export and show what arrived: a message, or the report of a session without one."""
    from deliverkit.report.model import Report
    from deliverkit.sink.export import export

    if isinstance(arrived, Report):
        shown.session(arrived)
        return
    for kind, directory in targets:
        await asyncio.to_thread(export, [arrived], kind, directory)
    if arrived.report is not None:
        shown.message(arrived.report)


@dataclass
class Shown:
    """What was shown so far: text and JSON Lines on standard output at once, every other format and -o at the end."""

    output: Output
    messages: int = 0
    status: int = 0
    _reports: list[Report] = field(default_factory=list)

    @property
    def _at_once(self) -> list[Target]:
        return [one for one in self.output.targets if one.path is None and one.format in ("text", "jsonl")]

    @property
    def _at_the_end(self) -> list[Target]:
        return [one for one in self.output.targets if one not in self._at_once]

    def message(self, report: Report) -> None:
        """A message came: it counts, and its findings decide the exit status."""
        self.messages += 1
        status = report.exit_status(self.output.fail_on)
        self.status = 1 if 1 in (status, self.status) else max(status, self.status)
        self._show(report)

    def session(self, report: Report) -> None:
        """A session ended without its message: shown, but it decides nothing."""
        self._show(report)

    def _show(self, report: Report) -> None:
        from deliverkit.report import render

        out = self.output
        for target in self._at_once:
            text = render([report], target.format, width=out.width, color=out.color, quiet=out.quiet)
            write_output(text + ("\n" if target.format == "text" else ""), target, color=out.color)
        if self._at_the_end:
            self._reports.append(report)
            if len(self._reports) > _KEPT_REPORTS:
                del self._reports[0]

    def finish(self, status: int) -> int:
        """Write what was not shown at once; the exit status, which is a plugin's where "nagios" is printed."""
        write_reports(self._reports, self.output, self._at_the_end)
        if self.output.printed != "nagios" or status > 1:
            return status
        return status_of(self._reports, self.output)
