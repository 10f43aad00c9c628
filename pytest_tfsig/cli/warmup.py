"""tfsig warmup: the requests that a server sends itself before it serves a version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.cli.output import say

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from pytest_tfsig.cli.commands import Commands


def add(commands: Commands) -> None:
    """Adds the command."""
    from pytest_tfsig.cli import subjects

    warmup = commands.add_parser(
        "warmup",
        help="write a SavedModel's warmup requests",
        description="Writes assets.extra/tf_serving_warmup_requests into the SavedModel. Only requests that the model "
        "answers are written: a server that meets a bad one does not load the version.",
    )
    subjects.add_options(warmup, examples=5)
    warmup.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import tempfile
    from pathlib import Path

    from pytest_tfsig import recordings
    from pytest_tfsig.cli import subjects
    from pytest_tfsig.errors import UsageError
    from pytest_tfsig.model_server.warmup import FILE, MOST_RECORDS

    work = subjects.found(arguments)
    requests = list(work.requests(arguments))
    with tempfile.TemporaryDirectory(prefix="tfsig-warmup-") as folder:
        # The warmup file that is there already may be the very reason for which the model does not load.
        cold = _copy_without(work.path.directory, Path(folder, work.path.name, str(work.path.version)), FILE)
        with subjects.served(work, arguments.server, cold) as model:
            recorded = recordings.record(model, requests)
    if not recorded.exchanges:
        why = str(recorded.refused[0]) if recorded.refused else "there is no request for these signatures"
        raise UsageError(f"no warmup file is written: {why}")
    if len(recorded.exchanges) > MOST_RECORDS:
        raise UsageError(
            f"{len(recorded.exchanges)} requests are more than the {MOST_RECORDS} that a server takes; send fewer"
        )
    output = work.path.directory / FILE
    recordings.write(output, [recordings.Exchange(one.method, one.request) for one in recorded.exchanges])
    say(f"{output}: {len(recorded.exchanges)} requests")
    if recorded.refused:
        say(f"{len(recorded.refused)} requests were refused and left out, the first: {recorded.refused[0]}")
    return 0


def _copy_without(directory: Path, target: Path, left_out: str) -> Path:
    """Returns a copy of a SavedModel that lacks one file; its other files are linked where that is possible."""
    import os
    import shutil

    def link_or_copy(source: str, destination: str) -> None:
        try:
            os.link(os.path.realpath(source), destination)
        except OSError:
            shutil.copyfile(source, destination)

    shutil.copytree(directory, target, copy_function=link_or_copy)
    (target / left_out).unlink(missing_ok=True)
    return target
