"""All inputs of a signature together: dimensions agree, masks end where lengths say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from pytest_tfsig import tensors
from pytest_tfsig.errors import StrategyError, TensorError
from pytest_tfsig.strategies.arrays import draw_array
from pytest_tfsig.strategies.examples import parsed, serialized
from pytest_tfsig.strategies.kinds import values_of
from pytest_tfsig.strategies.own import own
from pytest_tfsig.strategies.sizes import layout
from pytest_tfsig.strategies.source import HypothesisSource
from pytest_tfsig.strategies.ties import ties

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from pytest_tfsig.contract import Signature
    from pytest_tfsig.strategies.own import Own
    from pytest_tfsig.strategies.patterns import Values
    from pytest_tfsig.strategies.sizes import Key, Layout, Shapes
    from pytest_tfsig.strategies.source import Source
    from pytest_tfsig.strategies.ties import Tie

__all__ = ["Arrays", "Inputs", "Plan", "plan", "signature_arrays"]

Inputs = dict[str, Any]
"""Arrays by input name; for classify and regress ``{"examples": [{feature: values}, …]}``."""

Arrays = dict[str, "NDArray[Any]"]
"""One array for each input, as it was generated."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A signature, made ready for drawing its inputs.

    Attributes:
        signature: What was made ready.
        layout: The inputs' shapes.
        values: What each input may hold, but for those in `owns`.
        owns: Inputs for which the user gave a strategy.
        ties: Inputs that depend on others.
    """

    signature: Signature
    layout: Layout
    values: Mapping[str, Values]
    owns: Mapping[str, Own]
    ties: tuple[Tie, ...]

    def draw(self, source: Source, known: Mapping[Key, int] | None = None) -> Arrays:
        """Return one array for each input, before `finish`.

        Args:
            source: Makes the choices.
            known: Sizes of dimensions that are not to be drawn.
        """

        def fill(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
            return draw_array(source, self.values[name], shape)

        return self.assemble(source, lambda sizes: self.layout.draw(source, {**(known or {}), **sizes}), fill)

    def assemble(
        self,
        source: Source,
        shapes_for: Callable[[Mapping[Key, int]], Shapes],
        fill: Callable[[str, tuple[int, ...]], NDArray[Any]],
    ) -> Arrays:
        """Return one array for each input: users' own first, for those choose their sizes, then the others.

        Args:
            source: Makes the choices of users' own strategies.
            shapes_for: Returns all shapes, given the sizes that those have chosen.
            fill: Returns an array for an input's name and shape.
        """
        sizes: dict[Key, int] = {}
        arrays: Arrays = {}
        for name, mine in self.owns.items():
            if mine.strategy is not None:
                arrays[name] = mine.draw(source)
                self._bind(name, arrays[name].shape, sizes)
        shapes = shapes_for(sizes)
        for name in self.signature.inputs:
            if name in self.values:
                arrays[name] = fill(name, shapes[name])
            elif name not in arrays:
                arrays[name] = self.owns[name].draw(source, shapes[name])
        return {name: arrays[name] for name in self.signature.inputs}

    def finish(self, arrays: Arrays) -> Inputs:
        """Return ``arrays`` as they are sent: masks and lengths tied, probabilities summing to 1."""
        inputs: Inputs = dict(arrays)
        for tie in self.ties:
            inputs[tie.name] = tie.tied(inputs)
        for name, tensor in self.signature.inputs.items():
            if tensor.probabilities is not None and tensor.probabilities is not True and name in self.values:
                inputs[name] = _normalised(inputs[name], tensor.probabilities.axis)
        if self.signature.method != "predict":
            (array,) = inputs.values()
            return {"examples": [parsed(cell) if isinstance(cell, bytes) else cell for cell in array.flat]}
        return {name: self.packed(name, array) for name, array in inputs.items()}

    def packed(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        """Return an input's array in a form that the wire has: tf.Examples serialized, all others as they are."""
        if array.dtype != object or not any(isinstance(cell, dict) for cell in array.flat):
            return array
        features = self.signature.inputs[name].features or {}
        return _objects([serialized(example, features) for example in array.flat]).reshape(array.shape)

    def unfinished(self, inputs: Mapping[str, Any]) -> Arrays:
        """Return ``inputs`` that were recorded, or finished, as arrays again.

        Raises:
            StrategyError: An input is missing, unknown, or not of its dtype.
        """
        declared = self.signature.inputs
        if self.signature.method != "predict" and set(inputs) == {"examples"}:
            (name,) = declared
            return {name: _objects([_example(example) for example in inputs["examples"]])}
        if set(inputs) != set(declared):
            raise StrategyError(
                f"a recorded request has inputs {sorted(inputs)}, but signature {self.signature.name} takes "
                f"{sorted(declared)}; record it again."
            )
        try:
            arrays = {name: np.array(tensors.as_array(inputs[name], tensor.dtype)) for name, tensor in declared.items()}
        except TensorError as error:
            raise StrategyError(f"a recorded request does not fit signature {self.signature.name}: {error}.") from error
        return {name: self._unpacked(name, array) for name, array in arrays.items()}

    def _unpacked(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        generated = name in self.values and self.signature.inputs[name].features is not None
        if self.signature.method == "predict" and not generated:
            return array
        return _objects([parsed(data) for data in array.flat]).reshape(array.shape)

    def _bind(self, name: str, shape: tuple[int, ...], sizes: dict[Key, int]) -> None:
        ranges = {dim.key: (dim.low, dim.high) for dim in self.layout.dims}
        for size, key in zip(shape, self.layout.shapes[name] or (), strict=False):
            if isinstance(key, int):
                continue
            low, high = ranges[key]
            where = self.owns[name].where
            if isinstance(key, str) and not low <= size <= high:
                raise StrategyError(f"{where}.strategy draws {key} = {size}, outside dims.{key} = [{low}, {high}].")
            if sizes.setdefault(key, size) != size:
                raise StrategyError(
                    f"{where}.strategy draws {key} = {size} beside another input's {key} = {sizes[key]}; "
                    "give its function a parameter named shape, which is told the sizes."
                )


def plan(signature: Signature) -> Plan:
    """Make ``signature`` ready for drawing.

    Raises:
        StrategyError: An input's dtype is not known, it can hold nothing, or a user's own strategy cannot be used.
    """
    # A signature that answers without being asked anything (labels, a version) is sent nothing.
    if not signature.inputs and (signature.method != "predict" or not signature.outputs):
        raise StrategyError(
            f"signature {signature.name} states no inputs; state them, or complete the contract from the SavedModel."
        )
    values: dict[str, Values] = {}
    owns: dict[str, Own] = {}
    for name, tensor in signature.inputs.items():
        where = f"signatures.{signature.name}.inputs.{name}"
        mine = own(tensor, where)
        if mine is not None:
            owns[name] = mine
        elif signature.method != "predict" and tensor.features is None:
            raise StrategyError(
                f"{where}: {signature.method} sends serialized tf.Examples, but the graph is not seen to parse them, "
                "so what they hold is not known: state it as `features`. If the model reads the strings "
                "themselves, callers cannot use it so: export the signature for predict."
            )
        else:
            values[name] = values_of(tensor, where)
    return Plan(signature, layout(signature), values, owns, ties(signature))


def signature_arrays(signature: Signature) -> SearchStrategy[Inputs]:
    """Return a strategy for all inputs of a signature.

    Args:
        signature: Its inputs have a dtype; `dims` bounds the sizes of named dimensions.

    Raises:
        StrategyError: An input's dtype is not known, it can hold nothing, or a user's own strategy cannot be used.
    """
    ready = plan(signature)

    def make(draw: Callable[[SearchStrategy[Any]], Any]) -> Inputs:
        return ready.finish(ready.draw(HypothesisSource(draw)))

    return st.composite(make)()


def _objects(values: list[Any]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _example(example: Any) -> Any:
    """Return an example's values, given those or a tf.Example of any package."""
    if hasattr(example, "SerializeToString"):
        return parsed(example.SerializeToString())
    return {
        name: list(cells) if isinstance(cells, list | tuple | np.ndarray) else [cells]
        for name, cells in example.items()
    }


def _normalised(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return probabilities in proportion to ``array``; where all are 0, even ones."""
    wide = array.astype(np.float64)
    total = wide.sum(axis=axis, keepdims=True)
    shares: NDArray[Any] = np.full_like(wide, 1 / max(1, wide.shape[axis]))
    np.divide(wide, total, out=shares, where=total > 0)
    return shares.astype(array.dtype)
