"""examples: recorded requests still give the recorded answers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_tfsig import recordings
from pytest_tfsig.checks.comparison import compare
from pytest_tfsig.checks.differences import Tally, difference
from pytest_tfsig.checks.outcome import Outcome
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import RecordError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.contract import Signature
    from pytest_tfsig.recordings import Exchange

_ADVICE = (
    "If the new answers are right, run pytest again with --tfsig-update, which rewrites the file and says what "
    "changed, and look at the difference before you commit it."
)


def _names_a_file(signature: Signature) -> bool:
    options = signature.checks.get("examples")
    return isinstance(options, Mapping) and bool(options.get("file"))


@register(
    "examples",
    holds_when="recorded requests (checks.examples.file) still give the recorded answers",
    inspects=False,
    wanted=_names_a_file,
)
def examples(subject: Subject, *, file: str = "", rtol: float | None = None, atol: float | None = None) -> Outcome:
    """Sends the recorded requests for the signature again; with --tfsig-update, records what is answered now.

    Outputs that are new are not compared. A record without an answer must be answered.

    Args:
        subject: Who is asked.
        file: TFRecords of PredictionLogs, relative to the contract's file: what `tfsig record` writes, a request log
            of TensorFlow Serving, or a warmup file.
        rtol: As for the check `deterministic`.
        atol: As for the check `deterministic`.
    """
    path = subject.folder / file
    if subject.settings.update:
        with _alone(path):
            return _updated(subject, path)
    ours = _some(subject, path, recordings.read(path))
    # Smallest first: the first that is answered differently is the easiest to look at.
    for number, recorded in sorted(ours, key=lambda entry: entry[1].request.ByteSize()):
        now = _again(subject, path, number, recorded)
        _compare(recorded, now, number, subject, rtol=rtol, atol=atol)
    return Outcome("pass", f"{len(ours)} recorded requests give the recorded answers", len(ours))


def recorded_inputs(subject: Subject) -> list[dict[str, Any]]:
    """Returns the inputs of the requests recorded for a signature; none where the contract names no file.

    Raises:
        RecordError: The file cannot be read.
    """
    if not _names_a_file(subject.signature):
        return []
    file = subject.signature.checks["examples"]["file"]  # type: ignore[index] # a table with that key, as was asked
    return [
        exchange.inputs()
        for _, exchange in _ours(subject, recordings.read(subject.folder / file))
        if _fits(exchange, subject)
    ]


def _some(subject: Subject, path: Path, exchanges: list[Exchange]) -> list[tuple[int, Exchange]]:
    ours = _ours(subject, exchanges)
    if not ours:
        raise UsageError(
            f"{path}: no recorded request is for signature {subject.signature.name!r}; record some with `tfsig record`"
        )
    return ours


def _ours(subject: Subject, exchanges: list[Exchange]) -> list[tuple[int, Exchange]]:
    """Returns the records of a signature with their numbers; MultiInference belongs to the first that it names."""
    name = subject.signature.name
    return [(number, exchange) for number, exchange in enumerate(exchanges) if exchange.signatures[:1] == (name,)]


def _fits(exchange: Exchange, subject: Subject) -> bool:
    return exchange.method.lower() == subject.signature.method


def _again(subject: Subject, path: Path, number: int, recorded: Exchange) -> Exchange:
    try:
        return recordings.replay(subject.model, recorded, subject.settings.timeout)
    except ServingError as error:
        if error.code == "UNAVAILABLE":
            raise
        raise Violation(
            f"record {number} of {path.name} is refused",
            recorded.inputs() if _fits(recorded, subject) else None,
            expected="the recorded answer" if recorded.response is not None else "an answer",
            actual=f"{error.code}: {error.message}",
        ) from error


def _compare(
    recorded: Exchange, now: Exchange, number: int, subject: Subject, *, rtol: float | None, atol: float | None
) -> None:
    before, after = recorded.outputs(), now.outputs()
    inputs = recorded.inputs()
    try:
        compare(
            f"record {number} is answered differently in output {{output!r}}",
            before,
            {name: after[name] for name in before if name in after},
            inputs=inputs,
            labels=("recorded", "now"),
            rtol=rtol,
            atol=atol,
            advice=_ADVICE,
        )
    except Violation as violation:
        violation.inputs = inputs if _fits(recorded, subject) else None
        raise


def _updated(subject: Subject, path: Path) -> Outcome:
    """Rewrites the signature's answers; a request that is refused stops it, and leaves the file as it was."""
    exchanges = recordings.read(path)
    ours = _some(subject, path, exchanges)
    tallies: dict[str, Tally] = {}
    changed = 0
    for number, recorded in ours:
        now = _again(subject, path, number, recorded)
        before, after = recorded.outputs(), now.outputs()
        differs = before.keys() != after.keys()
        for name in before.keys() & after.keys():
            found = difference(before[name], after[name])
            tallies.setdefault(name, Tally()).add(found)
            differs = differs or bool(found.largest) or bool(found.flips)
        if differs:
            changed += 1
            exchanges[number] = recordings.Exchange(recorded.method, recorded.request, now.response)
    if not changed:
        return Outcome("pass", f"{path}: nothing to rewrite, {len(ours)} answers are as recorded", len(ours))
    recordings.write(path, exchanges)
    told = "; ".join(f"{name} {tally}" for name, tally in tallies.items() if tally.largest or tally.flips)
    message = f"{path}: {changed} of {len(ours)} answers rewritten{f': {told}' if told else ''}"
    details = {"outputs": {name: tally.as_dict() for name, tally in tallies.items()}}
    return Outcome("pass", message, len(ours), details=details)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keeps other processes of pytest-xdist from rewriting the same file meanwhile, and leaves no lock file behind."""
    import fcntl

    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise RecordError(path, f"cannot be read: {error.strerror}.") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
