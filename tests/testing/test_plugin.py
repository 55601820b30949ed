"""The plugin in projects of its own: a pytest of theirs, in which every warning is an error."""

from __future__ import annotations

import os
from textwrap import dedent

import pytest

import deliverkit
from deliverkit.testing.plugin import __name__ as PLUGIN
from tests.ci.repository import ROOT, write_repository
from tests.peers.programs import pytest_plugins_folder

pytest_plugins = "pytester"

USES = """\
    import asyncio
    import smtplib

    import deliverkit
    import pytest

    MAIL = "From: app@example.com\\r\\nTo: bob@example.org\\r\\nSubject: {}\\r\\n\\r\\nHello\\r\\n"

    def send(sink, subject):
        with smtplib.SMTP(sink.host, sink.port, timeout=20) as client:
            client.sendmail("app@example.com", ["bob@example.org"], MAIL.format(subject))

    def test_the_dns(deliverkit_dns):
        deliverkit_dns.add("example.com", "TXT", "v=spf1 ip4:192.0.2.1 -all")
        found = deliverkit.check_host("192.0.2.1", "a@example.com", "mx.example", world=deliverkit_dns.world)
        assert found.result == "pass"

    @pytest.mark.parametrize("number", range(3))
    def test_the_sink(deliverkit_sink, number):
        send(deliverkit_sink, f"hello {number}")
        mail = deliverkit_sink.wait_for(lambda mail: mail.subject.startswith("hello"))
        assert mail.subject == f"hello {number}"
        assert len(deliverkit_sink.messages) == 1

    def test_the_sink_shares_the_dns(deliverkit_sink_factory, deliverkit_dns):
        sink = deliverkit_sink_factory(client_ip="192.0.2.1")
        deliverkit_dns.add("example.com", "TXT", "v=spf1 ip4:192.0.2.1 -all")
        send(sink, "from there")
        sink.wait_for().assert_spf()

    def test_in_a_loop(deliverkit_sink):
        async def test():
            await asyncio.to_thread(send, deliverkit_sink, "from a loop")
            return await deliverkit_sink.wait_for_async()
        assert asyncio.run(test()).subject == "from a loop"
    """

FAILS = """\
    import smtplib

    def test_dkim(deliverkit_sink):
        with smtplib.SMTP(deliverkit_sink.host, deliverkit_sink.port, timeout=20) as client:
            client.sendmail("a@example.com", ["b@example.org"], "From: a@example.com\\r\\n\\r\\nHello\\r\\n")
        mail = deliverkit_sink.wait_for()
        mail.assert_dkim(domain="example.com")
    """


@pytest.fixture
def theirs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with our plugin and none besides, where warnings are errors."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    return pytester


def run(theirs: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Their pytest, in a process of its own."""
    return theirs.runpytest_subprocess("-p", PLUGIN, "-p", "no:cacheprovider", *arguments, timeout=120)


def test_fixtures_in_a_project_where_warnings_are_errors(theirs: pytest.Pytester) -> None:
    """Blocking tests, tests in a loop, several sinks; quiet."""
    theirs.makepyfile(dedent(USES))
    done = run(theirs, "-q")
    done.assert_outcomes(passed=6)
    assert done.ret == 0
    assert "warning" not in done.stdout.str()
    assert not done.stderr.str()


def test_a_failed_assertion_shows_the_line_of_the_test(theirs: pytest.Pytester) -> None:
    """And none of our own lines."""
    theirs.makepyfile(dedent(FAILS))
    done = run(theirs)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines([
        ">       mail.assert_dkim(domain=\"example.com\")",
        "E       AssertionError: <a@example.com> to <b@example.org>: : the message has no DKIM signature",
    ])  # fmt: skip
    assert "claims.py" not in done.stdout.str()


ASYNCIO = """\
    import asyncio
    import pytest

    ENVELOPE = [b"EHLO a", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.org>"]
    WIRE = [*ENVELOPE, b"DATA", b"Subject: hi\\r\\n\\r\\n.", b"QUIT"]

    @pytest.mark.asyncio
    async def test_in_their_loop(deliverkit_sink):
        reader, writer = await asyncio.open_connection(*deliverkit_sink.address)
        await reader.readline()
        waiting = asyncio.create_task(deliverkit_sink.wait_for_async())
        for line in WIRE:
            writer.write(line + b"\\r\\n")
            while (await reader.readline())[3:4] == b"-":
                pass
        writer.close()
        await writer.wait_closed()
        assert (await waiting).subject == "hi"
    """


def beside(theirs: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> pytest.RunResult:
    """Their pytest with a plugin of the folder that holds them."""
    folder = pytest_plugins_folder()
    assert folder is not None
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(folder)]))
    done = run(theirs, "-q", *arguments)
    assert not done.stderr.str()
    assert "warning" not in done.stdout.str()
    return done


@pytest.mark.peer("pytest-xdist")
def test_beside_xdist(theirs: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers, each with its own ports."""
    theirs.makepyfile(dedent(USES))
    beside(theirs, monkeypatch, "-p", "xdist.plugin", "-n", "2").assert_outcomes(passed=6)


@pytest.mark.peer("pytest-randomly")
def test_beside_randomly(theirs: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any order."""
    theirs.makepyfile(dedent(USES))
    beside(theirs, monkeypatch, "-p", "pytest_randomly").assert_outcomes(passed=6)


@pytest.mark.peer("pytest-asyncio")
def test_beside_asyncio(theirs: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocking tests and tests of their loop, which sends what it waits for."""
    theirs.makeini("[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n")
    theirs.makepyfile(test_blocking=dedent(USES), test_loop=dedent(ASYNCIO))
    beside(theirs, monkeypatch, "-p", "pytest_asyncio.plugin").assert_outcomes(passed=7)


def test_without_the_option_a_configuration_is_no_test(theirs: pytest.Pytester) -> None:
    """Nobody's TOML is collected unasked."""
    theirs.makefile(".toml", deliverkit="[domains]\n")
    assert run(theirs, "deliverkit.toml").ret == pytest.ExitCode.USAGE_ERROR


def test_a_configuration_that_is_not_there(theirs: pytest.Pytester) -> None:
    """A usage error that says what to do."""
    theirs.makepyfile("def test_nothing(): pass")
    done = run(theirs, "--deliverkit", "--deliverkit-config", "absent.toml")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--deliverkit-config absent.toml: there is no such file*"])


# -- the configuration as tests: reports of `deliverkit.check`, or of a stand-in ------------------------------------

STANDS_IN = """\
    # What `deliverkit.check` does, for as long as it is not there: an audit of each domain, and an unknown one.
    import deliverkit

    def check(config, *, world=None, **options):
        world = deliverkit.World.offline(closed=True).with_zone(*sorted(config.folder.glob("zones/*.zone")))
        reports = [deliverkit.audit(d.name, world=world, probe=False, parked=d.parked) for d in config.domains]
        return [*reports, deliverkit.audit("unknown.example", world=deliverkit.World.offline(), probe=False)]

    deliverkit.check = check
    """


@pytest.fixture
def repository(theirs: pytest.Pytester) -> pytest.Pytester:
    """A repository with one sound domain and one that breaks mail."""
    write_repository(theirs.path)
    theirs.makepyfile("def test_theirs(): pass")
    return theirs


def test_each_report_is_a_test(repository: pytest.Pytester) -> None:
    """A finding fails, what could not be told is an error, both with the text of the report alone."""
    repository.makeconftest(dedent(STANDS_IN))
    done = run(repository, "--deliverkit", "-v")
    done.assert_outcomes(passed=2, failed=1, errors=1)
    done.stdout.fnmatch_lines([
        "*deliverkit.toml::good.example PASSED*",
        "*deliverkit.toml::bad.example FAILED*",
        "*deliverkit.toml::unknown.example ERROR*",
        "unknown.example: UNKNOWN*",
        "bad.example: FAIL*",
        "ERROR SPF*",
    ])  # fmt: skip
    assert "configured.py" not in done.stdout.str()
    alone = run(repository, "--deliverkit", "deliverkit.toml::good.example")
    alone.assert_outcomes(passed=1)


def test_a_configuration_that_cannot_be_read(repository: pytest.Pytester) -> None:
    """Its file and line, no traceback."""
    repository.path.joinpath("deliverkit.toml").write_text("worlds = 1\n")
    done = run(repository, "--deliverkit")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*deliverkit.toml:1: *worlds*"])
    assert "Traceback" not in done.stdout.str()


def test_the_same_by_the_check_itself(repository: pytest.Pytester) -> None:
    """The verb and the plugin say the same of the same repository."""
    done = run(repository, "--deliverkit", "-v")
    done.stdout.fnmatch_lines(["*deliverkit.toml::good.example PASSED*", "*deliverkit.toml::bad.example FAILED*"])
    reports = deliverkit.check(repository.path / "deliverkit.toml")
    failing = [report for report in reports if report.exit_status("error") == 1]
    assert done.parseoutcomes()["failed"] == len(failing)


def test_a_test_may_check_a_configuration_in_its_own_dns(repository: pytest.Pytester) -> None:
    """`deliverkit_dns.check` raises the reports."""
    repository.makepyfile(
        'def test_theirs(deliverkit_dns):\n    deliverkit_dns.check("deliverkit.toml", environment=None)\n'
    )
    done = run(repository)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["E*bad.example: FAIL*"])
