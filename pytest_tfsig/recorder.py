"""The recorder: results of all items, from every process of the run, and the reports that are made of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_tfsig import state
from pytest_tfsig.declared import OPTIONS, stated
from pytest_tfsig.errors import UsageError

if TYPE_CHECKING:
    from pytest_tfsig.reports import Result


class Recorder:
    """Collects results in the process that the user sees, pytest-xdist's workers' included.

    Args:
        config: Of the run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._results: list[dict[str, Any]] = []
        self._server: dict[str, Any] = {}
        self._stated: set[state.Stated] = set()
        self._session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Reads the options and makes the report's folder, so that a long run does not end with nowhere to report.

        Raises:
            pytest.UsageError: An option's value is not one that it can have, or nothing can be written there.
        """
        self._session = session
        if not any(stated(self._config, option.key) for option in OPTIONS):
            return
        folder = state.options_of(self._config).report
        if folder is not None and not hasattr(self._config, "workerinput"):
            from pytest_tfsig.reports import blessing
            from pytest_tfsig.reports.files import prove_writable

            try:
                prove_writable(folder)
                blessing.withdraw(folder)
            except UsageError as error:
                raise pytest.UsageError(str(error)) from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes the result that a report carries, and shows it to pytest-html, where that plugin is."""
        result = getattr(report, "tfsig_result", None)
        if result is None or report.outcome == "rerun":  # type: ignore[comparison-overlap] # pytest-rerunfailures' word
            return
        file, line, _ = report.location
        line = None if line is None else line + 1
        self._results.append({**result, "test": report.nodeid, "file": self._in_repository(file), "line": line})
        if self._config.pluginmanager.hasplugin("html"):
            _add_to_pytest_html(report, result)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:  # noqa: ARG002 - pytest-xdist's hook has it
        """Takes what a worker of pytest-xdist says of its server, and of the checks that it collected."""
        output = getattr(node, "workeroutput", {})
        self._server = self._server or output.get("tfsig_server", {})
        self._stated |= {tuple(case) for case in output.get("tfsig_stated", ())}

    def pytest_sessionfinish(self) -> None:
        """Tells the process that the user sees which checks this one collected."""
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["tfsig_stated"] = [list(case) for case in state.stated_cases(self._config)]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        """Writes the reports and the summary, and says what is left behind."""
        if state.LEFT in self._config.stash:
            terminalreporter.write_line(f"tfsig: {self._config.stash[state.LEFT]}", red=True)
        if not self._results and not stated(self._config, "report"):
            return
        folder = state.options_of(self._config).report
        from pytest_tfsig.reports import Result, audit
        from pytest_tfsig.reports.terminal import summarize

        results = [Result.from_dict(result) for result in self._results]
        files: list[str] = []
        problems: list[OSError] = []
        try:
            files = [] if folder is None else self._written(folder, results, int(exitstatus))
        except OSError as error:
            problems.append(error)
        summarize(terminalreporter, results, files)
        if stated(self._config, "audit") and self._config.get_verbosity() >= 0:
            audit.ending(terminalreporter, results)
        try:
            _tell_github(terminalreporter, results)
        except OSError as error:
            problems.append(error)
        for problem in problems:
            terminalreporter.write_line(f"report: not written: {problem}", red=True)
        if problems and self._session is not None and exitstatus == pytest.ExitCode.OK:
            # Whoever reads the report next would take a former one for this run's.
            self._session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _in_repository(self, file: str) -> str:
        """Returns the path of an item's file as hosts of repositories want it: relative to what they checked out."""
        checked_out = os.environ.get("GITHUB_WORKSPACE") or os.environ.get("CI_PROJECT_DIR")
        path = self._config.rootpath / file
        if checked_out and path.is_relative_to(checked_out):
            return path.relative_to(checked_out).as_posix()
        return Path(file).as_posix()

    def _left_out(self, results: list[Result]) -> list[str]:
        """Returns the checks of contracts which were judged in part: what -k, an id or a key press left out."""
        judged = {(one.model.path, one.contract_file, one.consumer, one.signature, one.check) for one in results}
        titles = {(one.model.path, one.contract_file, one.consumer): one.model.title for one in results}
        return [
            f"{titles[case[:3]]} {case[3]}: {case[4]}"
            for case in sorted((self._stated | state.stated_cases(self._config)) - judged)
            if case[:3] in titles
        ]

    def _written(self, folder: Path, results: list[Result], exit_code: int) -> list[str]:
        from pytest_tfsig.reports import blessing, gitlab, html, json
        from pytest_tfsig.reports.environment import environment

        server = self._config.stash.get(state.SERVER, {}) or self._server
        report = json.document(results, server, environment(state.seed_of(self._config)))
        return [
            str(json.write(folder, report)),
            str(html.write(folder, report)),
            str(gitlab.write(folder, results)),
            str(blessing.write(folder, report, results, blessing.Run(exit_code, self._left_out(results)))),
        ]


def _tell_github(terminalreporter: pytest.TerminalReporter, results: list[Result]) -> None:
    """Writes annotations and a job's summary, where GitHub Actions runs us."""
    if not results or os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from pytest_tfsig.reports import github

    for command in github.commands(results):
        terminalreporter.write_line(command)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(github.summary(results) + "\n")


def _add_to_pytest_html(report: pytest.TestReport, result: dict[str, Any]) -> None:
    from pytest_html import extras  # type: ignore[import-not-found, unused-ignore] # users may have it; we need not

    from pytest_tfsig.reports.visible import visible

    added = extras.text(visible(result["text"] or result["message"]), name=f"{result['check']}: {result['verdict']}")
    vars(report)["extras"] = [*getattr(report, "extras", []), added]
