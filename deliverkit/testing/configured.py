"""The configuration of a repository as tests: each domain and each source zone is an item that fails with its report.

The check is made once, when the file is collected, for only then is it known which zones the sources hold. What this
file will not do: check (`deliverkit.check` does), or decide what counts; the exit status of a report does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deliverkit.config import BadConfig, Config, find_config, load_config
from deliverkit.report import render

if TYPE_CHECKING:
    from deliverkit.report.model import Report

_WIDTH = 100


def checked(config: str | Path | Config | None = None, **options: Any) -> tuple[list[Report], str]:
    """The reports of `deliverkit.check`, and the severity from which the configuration wants it to fail.

    Raises `BadConfig` for a configuration that cannot be used.
    """
    import deliverkit

    environment = options.pop("environment", None)
    if not isinstance(config, Config):
        file = Path(config) if config is not None else find_config(Path.cwd())
        if file is None:
            raise BadConfig("deliverkit.toml", None, "no configuration was found", "run `deliverkit init`, or name one")
        config = load_config(file, environment)
    return deliverkit.check(config, **options), config.fail_on


def chosen_config(config: pytest.Config) -> Path:
    """The configuration to collect: of the option, of the project's line, else the one found from the root folder.

    Raises `pytest.UsageError` when there is none.
    """
    option = config.getoption("--deliverkit-config")
    line = config.getini("deliverkit_config")
    if option:
        file = Path(config.invocation_params.dir, option)
    elif line:
        file = config.rootpath / line
    else:
        found = find_config(config.rootpath)
        if found is None:
            raise pytest.UsageError(
                f"--deliverkit: there is no deliverkit.toml in {config.rootpath} or above; write one by"
                " `deliverkit init DOMAIN`, or name one by --deliverkit-config"
            )
        file = found
    if not file.is_file():
        raise pytest.UsageError(f"--deliverkit-config {option or line}: there is no such file")
    return file


class ConfigFile(pytest.File):
    """The configuration: one item a report."""

    def collect(self) -> Iterator[Subject]:
        """Check everything, and make an item of each report."""
        environment = self.config.getoption("--deliverkit-environment")
        try:
            config = load_config(self.path, environment)
            reports, fail_on = checked(config, facts=False)  # the text of a failure is its findings
        except BadConfig as bad:
            raise self.CollectError(str(bad)) from None
        lines = {domain.name: domain.line for domain in config.domains}
        for report in reports:
            kind, name = report.subject.kind, report.subject.name
            yield Subject.from_parent(
                self,
                name=name if kind == "domain" else kind if kind == "configuration" else f"{kind} {name}",
                report=report,
                fail_on=fail_on,
                line=lines.get(name) if kind == "domain" else None,
            )


class Subject(pytest.Item):
    """One domain, zone or the configuration itself."""

    def __init__(self, *, report: Report, fail_on: str, line: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report = report
        self.fail_on = fail_on
        self.line = line

    def setup(self) -> None:
        """Something decisive could not be told: an error of the test, neither passed nor failed."""
        if self.report.exit_status(self.fail_on) == 3:
            pytest.fail(_text(self.report), pytrace=False)

    def runtest(self) -> None:
        """Fail with the report, without traceback, if a finding counts: the fault is not in a program."""
        if self.report.exit_status(self.fail_on):
            pytest.fail(_text(self.report), pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the domain stands in the configuration."""
        return self.path, None if self.line is None else self.line - 1, f"deliverkit: {self.name}"


def _text(report: Report) -> str:
    return render([report], "text", width=_WIDTH).rstrip()
