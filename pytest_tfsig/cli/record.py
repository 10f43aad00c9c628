"""tfsig record: requests and the answers of now, for the check `examples`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.cli.output import say

if TYPE_CHECKING:
    import argparse

    from pytest_tfsig.cli.commands import Commands


def add(commands: Commands) -> None:
    """Adds the command."""
    from pytest_tfsig.cli import subjects

    record = commands.add_parser(
        "record", help="record requests and answers of a model, as TFRecords of PredictionLogs"
    )
    subjects.add_options(record, examples=20)
    record.add_argument("output", help="the file to write")
    record.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pytest_tfsig import recordings
    from pytest_tfsig.cli import subjects
    from pytest_tfsig.errors import UsageError

    work = subjects.found(arguments)
    requests = list(work.requests(arguments))
    with subjects.served(work, arguments.server) as model:
        recorded = recordings.record(model, requests)
    if not recorded.exchanges:
        why = str(recorded.refused[0]) if recorded.refused else "there is no request for these signatures"
        raise UsageError(f"nothing is recorded: {why}")
    recordings.write(arguments.output, recorded.exchanges)
    say(f"{arguments.output}: {len(recorded.exchanges)} requests with their answers")
    if recorded.refused:
        say(f"{len(recorded.refused)} requests were refused and left out, the first: {recorded.refused[0]}")
    return 0
