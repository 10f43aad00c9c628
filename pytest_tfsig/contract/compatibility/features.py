"""The compatibility of tf.Examples: the features that the old and the new graph read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.contract.compatibility.rules import Report
    from pytest_tfsig.savedmodel import FeatureSpec


def compare_features(
    report: Report, old: Mapping[str, FeatureSpec] | None, new: Mapping[str, FeatureSpec] | None
) -> None:
    """Add what changed features do to callers that send tf.Examples."""
    if old is None and new is None:
        return
    if old is None or new is None:
        which = "old" if old is None else "new"
        message = f"the {which} graph's features cannot be read from its parse ops, so tf.Examples are not judged."
        report.add("features-unknown", "feature", "", message)
        return
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            message = f'the feature "{name}" is not read any more and is ignored without an error.'
            report.add("feature-ignored", "feature", name, message)
        elif name not in old:
            is_required = new[name].required
            need = "and must be there" if is_required else "and may be left out"
            rule = "feature-added" if is_required else "feature-added-optional"
            report.add(rule, "feature", name, f'the feature "{name}" ({new[name].dtype}) is new {need}.')
        else:
            _compare(report, old[name], new[name])


def _compare(report: Report, old: FeatureSpec, new: FeatureSpec) -> None:
    what = f'the feature "{old.name}"'
    if old.dtype != new.dtype:
        report.add("feature-dtype-changed", "feature", old.name, f"{what} was {old.dtype} and is {new.dtype}.")
    before, after = _values(old), _values(new)
    if before != after:
        rule = "feature-relaxed" if after is None else "feature-shape-changed"
        message = f"{what} took {_count(before)} and takes {_count(after)}."
        report.add(rule, "feature", old.name, message)
    if new.required and not old.required:
        report.add("feature-required", "feature", old.name, f"{what} must be there now.")
    elif old.required and not new.required:
        report.add("feature-optional", "feature", old.name, f"{what} may be left out now.")
    elif old.default != new.default and old.kind == new.kind:
        report.add("feature-default-changed", "feature", old.name, f"{what} has another default now.")


def _values(feature: FeatureSpec) -> int | None:
    """Return how many values a feature has, None for any number."""
    if feature.kind != "fixed" or feature.shape is None:
        return None
    return math.prod(size or 0 for size in feature.shape)


def _count(values: int | None) -> str:
    return "any number of values" if values is None else f"{values} value{'s' * (values != 1)}"
