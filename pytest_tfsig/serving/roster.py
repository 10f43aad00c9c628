"""The roster: which versions of which models a server is to serve, as its configuration."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Entry", "Roster"]


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One model: its version directories and its labels."""

    versions: Mapping[int, Path]
    labels: Mapping[str, int] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Roster:
    """The models by name."""

    models: Mapping[str, Entry] = field(default_factory=dict)

    def adding(self, name: str, version: int, directory: Path, labels: Mapping[str, int]) -> Roster:
        """Return the roster with one more version."""
        entry = self.models.get(name, Entry({}))
        entry = Entry({**entry.versions, version: directory}, {**entry.labels, **labels})
        return replace(self, models={**self.models, name: entry})

    def labelling(self, name: str, labels: Mapping[str, int]) -> Roster:
        """Return the roster with labels of a model pointing elsewhere."""
        entry = self.models[name]
        return replace(self, models={**self.models, name: replace(entry, labels={**entry.labels, **labels})})

    def serves(self, name: str, version: int, directory: Path, labels: Mapping[str, int]) -> bool:
        """Whether a version is served from that very directory, with those labels."""
        entry = self.models.get(name, Entry({}))
        return entry.versions.get(version) == directory and labels.items() <= entry.labels.items()

    def removing(self, name: str, version: int | None = None) -> Roster:
        """Return the roster without a version, or without the model; labels of the version go with it."""
        others = {key: entry for key, entry in self.models.items() if key != name}
        if version is None or name not in self.models:
            return replace(self, models=others)
        entry = self.models[name]
        versions = {number: path for number, path in entry.versions.items() if number != version}
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
                "versions": {str(version): str(path) for version, path in entry.versions.items()},
                "labels": dict(entry.labels),
            }
            for name, entry in self.models.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Roster:
        """Return the roster that `to_json` wrote."""
        return cls(
            {
                name: Entry({int(version): Path(path) for version, path in entry["versions"].items()}, entry["labels"])
                for name, entry in data.items()
            }
        )
