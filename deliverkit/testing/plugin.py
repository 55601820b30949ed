"""The pytest plugin: fixtures ``deliverkit_dns``, ``deliverkit_sink``, ``deliverkit_sink_factory``; ``--deliverkit``.

pytest imports this file at every start, in every project where deliverkit is installed: it imports nothing but pytest,
which is there anyway, and all else when a fixture or the option is used (tests/testing/test_start.py measures that).

With ``--deliverkit`` the configuration (``deliverkit.toml``) is collected: each domain and each zone is a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from deliverkit.testing.dns import ToldDns
    from deliverkit.testing.running import RunningSink

    class SinkFactory(Protocol):
        """Opens one more sink; the options are those of `deliverkit.testing.running.SinkOptions`."""

        def __call__(self, **options: Any) -> RunningSink: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--deliverkit``, ``--deliverkit-config FILE`` and their line in the project's configuration."""
    group = parser.getgroup("deliverkit", "mail and DNS (deliverkit)")
    group.addoption(
        "--deliverkit",
        action="store_true",
        default=False,
        help="Check deliverkit.toml: each of its domains and zones is a test.",
    )
    group.addoption(
        "--deliverkit-config",
        metavar="FILE",
        default=None,
        help="The configuration that --deliverkit checks (default: found from the root folder upwards).",
    )
    group.addoption(
        "--deliverkit-environment", metavar="NAME", default=None, help="The environment of the configuration."
    )
    parser.addini("deliverkit_config", "the configuration that --deliverkit checks", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Put the configuration among what is collected, unless it was named already."""
    if not config.getoption("--deliverkit", False):
        return
    from deliverkit.testing.configured import chosen_config

    file = chosen_config(config)
    if not any(argument.partition("::")[0] and _same(argument, file, config) for argument in config.args):
        config.args.append(str(file))


def _same(argument: str, file: Path, config: pytest.Config) -> bool:
    return (config.invocation_params.dir / argument.partition("::")[0]).resolve() == file.resolve()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The configuration is a file of tests, where that was asked for."""
    if not parent.config.getoption("--deliverkit", False) or file_path.suffix != ".toml":
        return None
    from deliverkit.testing.configured import ConfigFile, chosen_config

    if file_path.resolve() != chosen_config(parent.config).resolve():
        return None
    collector: pytest.Collector = ConfigFile.from_parent(parent, path=file_path)
    return collector


@pytest.fixture
def deliverkit_dns() -> ToldDns:
    """A closed DNS that the test fills: `.add`, `.zone`, `.fail`; `.world` for the verbs of the library."""
    from deliverkit.testing.dns import ToldDns

    return ToldDns()


@pytest.fixture
def deliverkit_sink_factory(deliverkit_dns: ToldDns) -> Iterator[SinkFactory]:
    """Opens sinks: ``deliverkit_sink_factory(tls="starttls", auth="user:password", client_ip="192.0.2.1")``."""
    from deliverkit.testing.running import RunningSink, SinkOptions

    with ExitStack() as opened:

        def open_sink(**options: Any) -> RunningSink:
            return opened.enter_context(RunningSink(deliverkit_dns, SinkOptions(**options)))

        yield open_sink


@pytest.fixture
def deliverkit_sink(deliverkit_sink_factory: SinkFactory) -> RunningSink:
    """A running SMTP server on a free port of loopback, whose mail is verified against ``deliverkit_dns``."""
    return deliverkit_sink_factory()
