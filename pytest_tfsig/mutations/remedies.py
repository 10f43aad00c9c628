"""Remedies: the line that would have a contract notice a fault which it does not, proved before it is told."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_tfsig import checks
from pytest_tfsig.checks.comparison import compare
from pytest_tfsig.checks.shared_pass import inspect
from pytest_tfsig.checks.subject import Observation
from pytest_tfsig.checks.tolerances import is_numeric
from pytest_tfsig.contract import Argmax, Tensor
from pytest_tfsig.contract.durations import format_duration
from pytest_tfsig.mutations.trial import BLIND, notice, run, tapped
from pytest_tfsig.savedmodel.dtypes import FLOAT_DTYPES, INTEGER_RANGES
from pytest_tfsig.strategies import draws

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_tfsig.checks import Subject
    from pytest_tfsig.contract import Signature
    from pytest_tfsig.mutations.mutation import Circumstances
    from pytest_tfsig.mutations.tap import Exhibit, Tap
    from pytest_tfsig.mutations.trial import Fault

_MOST_VALUES = 12
"""Values of an output that are worth listing."""
_RECORDED = 20
"""Requests that `tfsig record` records of a signature."""
_ROOM = 1.5
"""How much larger than what was seen a proposed bound is."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to state so that a fault is noticed.

    Attributes:
        table: The table of the contract file that the line belongs to, "signatures.serving_default.outputs.scores"; ""
            where it is a marker that has to change.
        line: The line: "probabilities = true".
        marker: The same for a marker: 'outputs={"scores": Tensor(..., probabilities=True)}'.
        first: What has to be done before, a shell line; "" for nothing.
    """

    table: str
    line: str
    marker: str
    first: str = ""

    @property
    def stated(self) -> str:
        """The line with its table."""
        return f"[{self.table}] {self.line}" if self.table else self.line

    def as_dict(self) -> dict[str, str]:
        """Returns plain data."""
        return {"table": self.table, "line": self.line, "marker": self.marker, "first": self.first}


@dataclass(frozen=True, slots=True)
class Witness:
    """What is known of a fault that survived.

    Attributes:
        subject: The unmutated model and its contract.
        circumstances: Of the contract.
        fault: What survived.
        tap: The tap of its trial: the answers that it changed.
        genuine: Answers of the unmutated model.
        p99: Seconds that one request in a hundred exceeded in the latency check; None where none was measured.
        unselected: Checks that a marker leaves out, whatever the contract says.
    """

    subject: Subject
    circumstances: Circumstances
    fault: Fault
    tap: Tap
    genuine: Sequence[Exhibit]
    p99: float | None = None
    unselected: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The signature's name."""
        return self.subject.signature.name

    def is_noticed(self, signature: Signature, *names: str) -> bool:
        """Whether checks pass on the unmutated model, held against another contract, and not on the mutated one."""
        known = checks.checks()
        entries = [known[name] for name in names]
        honest = replace(self.tap, meddle=lambda call: call.proceed(), restate=None, exhibits=[])
        if notice(entries, tapped(self.subject, honest, signature)) is not None:
            return False
        return notice(entries, tapped(self.subject, self.fault.tap(self.circumstances), signature)) is not None

    def would_show(self, signature: Signature, *inspections: str) -> bool:
        """Whether inspections hold for all unmutated answers, and not for all mutated ones, under another contract."""
        subject = replace(self.subject, signature=signature, _pass=None)
        entries = [checks.checks()[name] for name in inspections]

        def holds(inputs: Any, outputs: Any) -> bool:
            try:
                for entry in entries:
                    inspect(subject, entry, Observation(inputs, outputs))
            except AssertionError:
                return False
            return True

        honest = (*self.genuine, *self.tap.exhibits)
        if not all(holds(exhibit.inputs, exhibit.genuine) for exhibit in honest):
            return False
        return not all(
            holds(exhibit.inputs, exhibit.returned) for exhibit in self.tap.exhibits if exhibit.returned is not None
        )


def remedy(witness: Witness) -> Remedy | None:
    """Returns a line that would have the fault noticed, None where no line of a contract would.

    Every line is tried before it is told: it holds for the answers that the model gave, and not for the mutated ones.
    """
    kinds = (_latency,) if witness.fault.mutation.timed else _KINDS
    return next((found for kind in kinds for found in kind(witness)), None)


def _switched_off(witness: Witness) -> Iterator[Remedy]:
    """Checks that the contract switches off, or whose tolerances it widens."""
    signature = witness.subject.signature
    stated = {name: options for name, options in signature.checks.items() if options is not True}
    likely = witness.fault.mutation.likely
    for name in sorted(stated, key=lambda name: (name not in likely, name)):
        entry = checks.checks().get(name)
        options = stated[name]
        if entry is None or name in BLIND or (options is not False and not {"rtol", "atol"} & set(options)):
            continue
        plain = {key: value for key, value in options.items() if key not in {"rtol", "atol"}} if options else True
        changed = replace(signature, checks={**signature.checks, name: plain or True})
        if entry.wanted(changed) and witness.is_noticed(changed, name):
            if name in witness.unselected:
                yield Remedy("", f"tfsig_checks that lets {name} run", f"tfsig_checks that lets {name} run")
                continue
            line = f"{name} = true" if plain in ({}, True) else f"{name} = {_table(plain)}"
            yield Remedy(f"signatures.{witness.name}.checks", line, f"checks={{{name!r}: {plain or True!r}}}")


def _tensors(witness: Witness) -> Iterator[Remedy]:
    """Statements about an output: its values, its form."""
    signature = witness.subject.signature
    changed = [name for name in signature.outputs if witness.fault.output in {"", name}]
    for name in changed:
        arrays = [each.genuine[name] for each in witness.genuine if name in each.genuine]
        for line, keyword, tensor in _statements(signature.outputs[name], arrays, witness.circumstances.batch):
            amended = replace(signature, outputs={**signature.outputs, name: tensor})
            if witness.would_show(amended, "outputs", "finite", "values"):
                table = f"signatures.{witness.name}.outputs.{name}"
                yield Remedy(table, line, f"outputs={{{name!r}: Tensor(..., {keyword})}}")


def _statements(tensor: Tensor, arrays: Sequence[NDArray[Any]], batch: str | None) -> Iterator[tuple[str, str, Tensor]]:
    """Yields statements that the contract does not make of an output, as a line, as a keyword, and made."""
    if not arrays:
        return
    if tensor.dtype in FLOAT_DTYPES:
        if not tensor.finite:
            yield "finite = true", "finite=True", replace(tensor, finite=True)
        if tensor.probabilities is None and tensor.values is None and tensor.min is None and tensor.max is None:
            yield "probabilities = true", "probabilities=True", replace(tensor, probabilities=True)
    if tensor.dtype in FLOAT_DTYPES or tensor.dtype in INTEGER_RANGES:
        yield from _bounds(tensor, arrays)
    if tensor.dtype == "string" and tensor.encoding is None:
        yield 'encoding = "utf-8"', 'encoding="utf-8"', replace(tensor, encoding="utf-8")
    if tensor.values is None and (tensor.dtype == "string" or tensor.dtype in INTEGER_RANGES):
        yield from _listed(tensor, arrays)
    if tensor.shape is None or None in tensor.shape:
        yield from _shaped(tensor, arrays, batch)


def _bounds(tensor: Tensor, arrays: Sequence[NDArray[Any]]) -> Iterator[tuple[str, str, Tensor]]:
    if tensor.probabilities is not None or not all(is_numeric(array) for array in arrays):
        return
    is_whole = tensor.dtype in INTEGER_RANGES
    for key, bounds in (("min", (0, -1)), ("max", (0, 1))):
        for bound in bounds:
            if getattr(tensor, key) is None:
                number: float = bound if is_whole else float(bound)
                yield f"{key} = {number}", f"{key}={number}", replace(tensor, **{key: number})  # type: ignore[arg-type] # min or max
    if is_whole and tensor.max is None:
        highest = int(max(array.max() for array in arrays if array.size))
        yield f"max = {highest}", f"max={highest}", replace(tensor, max=highest)


def _listed(tensor: Tensor, arrays: Sequence[NDArray[Any]]) -> Iterator[tuple[str, str, Tensor]]:
    values = sorted({value for array in arrays for value in array.ravel().tolist()})
    if not 0 < len(values) <= _MOST_VALUES:
        return
    try:
        plain = [value.decode() if isinstance(value, bytes) else value for value in values]
    except UnicodeDecodeError:
        return
    written = json.dumps(plain, ensure_ascii=False)
    yield f"values = {written}", f"values={written}", replace(tensor, values=plain)


def _shaped(tensor: Tensor, arrays: Sequence[NDArray[Any]], batch: str | None) -> Iterator[tuple[str, str, Tensor]]:
    ranks = {array.ndim for array in arrays}
    if len(ranks) != 1:
        return
    shape = [_dimension([array.shape[axis] for array in arrays]) for axis in range(ranks.pop())]
    if batch is not None and shape:
        shape[0] = batch
    written = json.dumps(shape)
    yield f"shape = {written}", f"shape={written}", replace(tensor, shape=shape)


def _dimension(sizes: Sequence[int]) -> int | str:
    return sizes[0] if len(set(sizes)) == 1 else "?"


def _argmax(witness: Witness) -> Iterator[Remedy]:
    """The relation between a class and its scores."""
    signature = witness.subject.signature
    outputs = signature.outputs
    pairs = [
        (label, scores)
        for label in outputs
        for scores in outputs
        if outputs[label].dtype in INTEGER_RANGES and outputs[scores].dtype in FLOAT_DTYPES
    ]
    for label, scores in pairs:
        relation = Argmax(label, scores)
        if relation in signature.relations:
            continue
        stated = replace(signature, relations=(*signature.relations, relation))
        if witness.is_noticed(stated, "relations"):
            yield Remedy(
                f"[signatures.{witness.name}.relations]",
                f'kind = "argmax", output = "{label}", of = "{scores}"',
                f"relations=[Argmax({label!r}, {scores!r})]",
            )


def _bounds_of_drift(witness: Witness) -> Iterator[Remedy]:
    """A bound on how far answers may lie from the released version's, where that is served beside this one."""
    subject = witness.subject
    stated = subject.signature.checks.get("drift", True)
    if subject.baseline is None or (not isinstance(stated, bool) and stated.get("max") is not None):
        return
    outcome = run(checks.checks()["drift"], tapped(subject, replace(witness.tap, meddle=lambda call: call.proceed())))
    found = [entry.get("largest") for entry in outcome.details.get("outputs", {}).values()]
    if outcome.verdict != "pass" or not found or not all(isinstance(each, int | float) for each in found):
        return
    bound = float(f"{max(_ROOM * max(found), 1e-6):.2g}")
    signature = replace(subject.signature, checks={**subject.signature.checks, "drift": {"max": bound}})
    if witness.is_noticed(signature, "drift"):
        table = f"signatures.{witness.name}.checks"
        yield Remedy(table, f"drift = {{ max = {bound} }}", f"checks={{'drift': {{'max': {bound}}}}}")


def _examples(witness: Witness) -> Iterator[Remedy]:
    """Recorded requests and answers: for what no statement about values can tell from a right answer."""
    stated = witness.subject.signature.checks.get("examples", True)
    if not isinstance(stated, bool) and stated.get("file"):
        return
    if _would_replay(witness):
        yield _recorded(witness)


def _would_replay(witness: Witness) -> bool:
    """Whether the model gives recorded answers again, and not when it is mutated."""
    subject = witness.subject
    mutated = tapped(subject, witness.fault.tap(witness.circumstances))
    is_noticed = False
    for inputs in draws(subject.signature, _RECORDED, subject.settings.seed):
        recorded = subject.observe(inputs)
        if recorded.error is None:
            if not _is_repeated(recorded, subject.observe(inputs)):
                return False
            is_noticed = is_noticed or not _is_repeated(recorded, mutated.observe(inputs))
    return is_noticed


def _is_repeated(recorded: Observation, now: Observation) -> bool:
    try:
        compare("", recorded.outputs, now.outputs, inputs=recorded.inputs, labels=("recorded", "now"))
    except AssertionError:
        return False
    return True


def _recorded(witness: Witness) -> Remedy:
    subject = witness.subject
    file = f"{subject.model.name}.tfrecord"
    model = subject.model.name if subject.saved_model is None else _from_here(subject.saved_model.path)
    return Remedy(
        f"signatures.{witness.name}.checks",
        f'examples = {{ file = "{file}" }}',
        f"checks={{'examples': {{'file': {file!r}}}}}",
        shlex.join(["tfsig", "record", model, _from_here(subject.folder / file)]),
    )


def _from_here(path: Path) -> str:
    """Returns a path as users type it."""
    here, whole = Path.cwd(), path.absolute()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else path)


def _latency(witness: Witness) -> Iterator[Remedy]:
    """A bound on the slowest requests: what takes two in a hundred twice as long, a p99 sees."""
    slow = witness.circumstances.slow or 0.0
    limit = max(slow / 2, _ROOM * (witness.p99 or 0.0))
    if limit < slow:
        text = format_duration(float(f"{limit:.3g}"))
        yield Remedy(f"[signatures.{witness.name}.latency]", f'p99 = "{text}"', f"latency={{'p99': '{text}'}}")


def _table(options: Any) -> str:
    return f"{{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in options.items())} }}"


_KINDS = (_switched_off, _tensors, _argmax, _bounds_of_drift, _examples)
"""In the order in which they are tried: what the contract has already, what it can say, what has to be recorded."""
