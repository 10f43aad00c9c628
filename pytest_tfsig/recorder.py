"""The recorder: results of all items, from every process of the run, and the reports that are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_tfsig import state

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

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes the result that a report carries."""
        result = getattr(report, "tfsig_result", None)
        if result is not None:
            self._results.append(result)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:  # noqa: ARG002 - pytest-xdist's hook has it
        """Takes what a worker of pytest-xdist says of its server."""
        self._server = self._server or getattr(node, "workeroutput", {}).get("tfsig_server", {})

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Writes the reports and the summary."""
        folder = state.options_of(self._config).report
        if not self._results and folder is None:
            return
        from pytest_tfsig.reports import Result
        from pytest_tfsig.reports.terminal import summarize

        results = [Result.from_dict(result) for result in self._results]
        summarize(terminalreporter, results, self._written(results))

    def _written(self, results: list[Result]) -> list[str]:
        folder = state.options_of(self._config).report
        if folder is None:
            return []
        from pytest_tfsig.reports import json

        server = self._config.stash.get(state.SERVER, {}) or self._server
        return [str(json.write(folder, results, server))]
