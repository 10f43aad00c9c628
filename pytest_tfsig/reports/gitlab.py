"""GitLab's code quality report: what breaks a run, beside the lines of a merge request."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from pytest_tfsig.reports.files import write_whole
from pytest_tfsig.reports.visible import first_line, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_tfsig.reports.result import Result, Verdict

FILE = "gl-code-quality.json"
_SEVERITY: Mapping[Verdict, str] = {"fail": "critical", "error": "major", "inconclusive": "minor"}


def issues(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Returns an issue for each result that breaks the run; the same failure of the next version is the same issue."""
    return [
        {
            "description": visible(f"{result.title}: {first_line(result.message, 1000)}"),
            "check_name": f"tfsig-{result.check}",
            "fingerprint": _fingerprint(result),
            "severity": _SEVERITY[result.verdict],
            "location": {
                "path": result.file or result.contract or result.model.path,
                "lines": {"begin": result.line or 1},
            },
        }
        for result in results
        if result.breaks_the_run
    ]


def write(folder: Path, results: Sequence[Result]) -> Path:
    """Writes the issues of a run as `gl-code-quality.json` into a folder, and returns its path.

    Raises:
        OSError: It cannot be written.
    """
    return write_whole(folder, FILE, json.dumps(issues(results), indent=2) + "\n")


def _fingerprint(result: Result) -> str:
    parts = (result.test, result.model.name, result.signature, result.check)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
