"""deliverkit finds out why mail does not arrive.

The public verbs, blocking, and nothing else; ``deliverkit.aio`` has the same ones as coroutines. Imports are lazy:
``import deliverkit`` costs nothing until a verb is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

    from deliverkit.config import Config
    from deliverkit.engine.checkhost import CheckHost
    from deliverkit.engine.diff import Comparison
    from deliverkit.engine.verify import Verification
    from deliverkit.protocols.dmarc.discover import Discovery
    from deliverkit.report.model import Report
    from deliverkit.world import World
    from deliverkit.world.journal import Journal

__version__ = "0.1.0"
__all__ = [
    "World",
    "__version__",
    "audit",
    "check",
    "check_host",
    "diff",
    "discover_dmarc",
    "doctor",
    "probe",
    "replay",
    "send",
    "verify",
]

T = TypeVar("T")


def audit(domain: str, **options: Any) -> Report:
    """Audit one domain; the options are those of `deliverkit.aio.audit`."""
    from deliverkit import aio

    return _blocking(aio.audit(domain, **options))


def verify(raw: bytes, **options: Any) -> Verification:
    """Verify one message; the options are those of `deliverkit.aio.verify`."""
    from deliverkit import aio

    return _blocking(aio.verify(raw, **options))


def doctor(folder: str | Path | None = None, **options: Any) -> Report:
    """Find out why an application's mail fails; the options are those of `deliverkit.aio.doctor`."""
    from deliverkit import aio

    return _blocking(aio.doctor(folder, **options))


def check(path: str | Path | Config | Sequence[str | Path] | None = None, **options: Any) -> list[Report]:
    """Check a repository; the options are those of `deliverkit.aio.check`."""
    from deliverkit import aio

    return _blocking(aio.check(path, **options))


def check_host(client_ip: str, mail_from: str, helo: str, *, world: World | None = None) -> CheckHost:
    """RFC 7208 check_host; see `deliverkit.aio.check_host`."""
    if world is not None and world.told:  # nobody has to be waited for
        from deliverkit.engine.checkhost import check_host_told

        return check_host_told(client_ip, mail_from, helo, world=world)
    from deliverkit import aio

    return _blocking(aio.check_host(client_ip, mail_from, helo, world=world))


def diff(old: str | Path, new: str | Path, *, world: World | None = None) -> Comparison:
    """Compare two snapshots, two JSON reports, or zones before and after a change; see `deliverkit.aio.diff`."""
    from deliverkit import aio

    return _blocking(aio.diff(old, new, world=world))


def discover_dmarc(domain: str, *, world: World | None = None) -> Discovery:
    """RFC 9989 policy discovery; see `deliverkit.aio.discover_dmarc`."""
    from deliverkit import aio

    return _blocking(aio.discover_dmarc(domain, world=world))


def probe(*targets: str, **options: Any) -> list[Report]:
    """Probe ``HOST[:PORT][/role]`` targets; the options are those of `deliverkit.aio.probe`."""
    from deliverkit import aio

    return _blocking(aio.probe(*targets, **options))


def replay(journal: str | Path | Journal, *, any_version: bool = False) -> list[Report]:
    """The reports of a journal again; see `deliverkit.aio.replay`."""
    from deliverkit import aio

    return _blocking(aio.replay(journal, any_version=any_version))


def send(header_from: str, to: str | Sequence[str], **options: Any) -> Report:
    """Send a real test message; the options are those of `deliverkit.aio.send`."""
    from deliverkit import aio

    return _blocking(aio.send(header_from, to, **options))


def _blocking(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where an event loop runs already (a notebook): then in a thread."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def __getattr__(name: str) -> Any:
    if name == "World":
        from deliverkit.world import World

        return World
    if name == "aio":
        from importlib import import_module

        return import_module("deliverkit.aio")
    raise AttributeError(f"module 'deliverkit' has no attribute {name!r}")
