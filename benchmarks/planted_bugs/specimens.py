"""A specimen: a SavedModel with a planted defect or none, and the contract that a user would write for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_tfsig.contract import Signature

    Build = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Specimen:
    """One SavedModel.

    Attributes:
        name: Also its directory.
        build: Given the tensorflow package, returns what `save` understands.
        contract: What its users rely on.
        found_by: The checks that may name the defect, the one that should first; empty for a sound model.
        finish: Changes the written version directory.
    """

    name: str
    build: Build
    contract: Signature
    found_by: tuple[str, ...] = ()
    finish: Callable[[Path], None] | None = None


class Collection:
    """Specimens, gathered by decorators."""

    def __init__(self) -> None:
        self.specimens: list[Specimen] = []

    def planted(self, found_by: str, contract: Signature, **more: Any) -> Callable[[Build], Build]:
        """Returns a decorator for a builder whose defect the named checks (separated by spaces) find."""
        return self._adding(contract, tuple(found_by.split()), **more)

    def sound(self, contract: Signature, **more: Any) -> Callable[[Build], Build]:
        """Returns a decorator for a builder of a model without defects."""
        return self._adding(contract, (), **more)

    def _adding(self, contract: Signature, found_by: tuple[str, ...], **more: Any) -> Callable[[Build], Build]:
        def add(build: Build) -> Build:
            self.specimens.append(Specimen(build.__name__, build, contract, found_by, **more))
            return build

        return add


def save(tf: Any, specimen: Specimen, base: Path) -> None:
    """Builds and writes a specimen as version 1.

    A builder returns a `tf.function` with an input signature; a pair of it and what it needs to keep; a Keras model,
    which is exported as Keras exports; or a function of the directory, which writes for itself.
    """
    tf.random.set_seed(7)
    built = specimen.build(tf)
    version = base / "1"
    if hasattr(built, "export"):
        built.export(str(version), verbose=False)
    elif callable(built) and not hasattr(built, "get_concrete_function"):
        built(version)
    else:
        serve, *kept = built if isinstance(built, tuple) else (built,)
        module = tf.Module()
        module.serve, module.kept = serve, kept
        tf.saved_model.save(module, str(version), signatures={"serving_default": serve})
    if specimen.finish is not None:
        specimen.finish(version)
