"""The roster: which versions of which models a server is to serve, as its configuration."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Entry", "Roster", "Version"]


@final
@dataclass(frozen=True, slots=True)
class Version:
    """One version of a model.

    Args:
        directory: Its version directory.
        size: Bytes that it takes in the server, estimated.
        holders: The processes that may ask it at any time: while one of them lives, it stays.
        released: When the last of them let it go, in seconds since the epoch.
    """

    directory: Path
    size: int = 0
    holders: frozenset[int] = frozenset()
    released: float = 0.0


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One model: its versions and its labels."""

    versions: Mapping[int, Version]
    labels: Mapping[str, int] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Roster:
    """The models by name."""

    models: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def versions(self) -> frozenset[tuple[str, int]]:
        """Every version: its model's name and its number."""
        return frozenset((name, version) for name, entry in self.models.items() for version in entry.versions)

    def adding(self, name: str, version: int, row: Version, labels: Mapping[str, int]) -> Roster:
        """Return the roster with one more version, or with that version as it is now."""
        entry = self.models.get(name, Entry({}))
        entry = Entry({**entry.versions, version: row}, {**entry.labels, **labels})
        return replace(self, models={**self.models, name: entry})

    def holding(self, name: str, version: int, holder: int) -> Roster:
        """Return the roster with one more process that needs a version."""
        row = self.models[name].versions[version]
        return self.adding(name, version, replace(row, holders=row.holders | {holder}), {})

    def releasing(self, name: str, version: int, holder: int, now: float) -> Roster:
        """Return the roster with a version that a process needs no longer; of an unknown one nothing is to be done."""
        row = self.models[name].versions.get(version) if name in self.models else None
        if row is None or holder not in row.holders:
            return self
        return self.adding(name, version, replace(row, holders=row.holders - {holder}, released=now), {})

    def held(self, lives: Callable[[int], bool]) -> Roster:
        """Return the roster without the versions that no living process needs."""
        left = self
        for _, name, version in self._idle(lives):
            left = left.removing(name, version)
        return left

    def with_room(self, size: int, capacity: int, lives: Callable[[int], bool]) -> Roster:
        """Return the roster without as many idle versions, the longest idle first, as leave room for one more.

        Args:
            size: What the new one takes, in bytes.
            capacity: What all may take together; where those that are needed take more, they stay all the same.
            lives: Whether a process lives.
        """
        left = self
        taken = size + sum(row.size for entry in self.models.values() for row in entry.versions.values())
        for _, name, version in sorted(self._idle(lives)):
            if taken <= capacity:
                break
            taken -= left.models[name].versions[version].size
            left = left.removing(name, version)
        return left

    def _idle(self, lives: Callable[[int], bool]) -> list[tuple[float, str, int]]:
        """Return the versions that no living process needs, and since when."""
        return [
            (row.released, name, version)
            for name, entry in self.models.items()
            for version, row in entry.versions.items()
            if not any(map(lives, row.holders))
        ]

    def labelling(self, name: str, labels: Mapping[str, int]) -> Roster:
        """Return the roster with labels of a model pointing elsewhere."""
        entry = self.models[name]
        return replace(self, models={**self.models, name: replace(entry, labels={**entry.labels, **labels})})

    def serves(self, name: str, version: int, directory: Path, labels: Mapping[str, int]) -> bool:
        """Whether a version is served from that very directory, with those labels."""
        entry = self.models.get(name, Entry({}))
        row = entry.versions.get(version)
        return row is not None and row.directory == directory and labels.items() <= entry.labels.items()

    def removing(self, name: str, version: int | None = None) -> Roster:
        """Return the roster without a version, or without the model; labels of the version go with it."""
        others = {key: entry for key, entry in self.models.items() if key != name}
        if version is None or name not in self.models:
            return replace(self, models=others)
        entry = self.models[name]
        versions = {number: row for number, row in entry.versions.items() if number != version}
        labels = {label: number for label, number in entry.labels.items() if number != version}
        return replace(self, models={**others, name: Entry(versions, labels)} if versions else others)

    def config(self, base_path: Callable[[str], str]) -> Any:
        """Return the `ModelServerConfig` that serves exactly these versions."""
        from pytest_tfsig import protos

        config = protos.ModelServerConfig()
        # An empty list must be there: without it the server takes the request for no configuration at all.
        config.model_config_list.SetInParent()
        for name, entry in self.models.items():
            model = config.model_config_list.config.add(
                name=name, base_path=base_path(name), model_platform="tensorflow"
            )
            model.model_version_policy.specific.versions.extend(sorted(entry.versions))
            for label, version in entry.labels.items():
                model.version_labels[label] = version
        return config

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            name: {
                "versions": {
                    str(version): [str(row.directory), row.size, sorted(row.holders), row.released]
                    for version, row in entry.versions.items()
                },
                "labels": dict(entry.labels),
            }
            for name, entry in self.models.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Roster:
        """Return the roster that `to_json` wrote."""
        return cls(
            {
                name: Entry(
                    {
                        int(version): Version(Path(directory), size, frozenset(holders), released)
                        for version, (directory, size, holders, released) in entry["versions"].items()
                    },
                    entry["labels"],
                )
                for name, entry in data.items()
            }
        )
