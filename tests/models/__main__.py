"""Build test models: `python -m tests.models OUT [NAME...]`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.models.catalogue import builders


def main(out: Path, names: list[str]) -> None:
    known = builders()
    for name in names or known:
        base = out / name
        base.mkdir(parents=True, exist_ok=True)
        known[name](base)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
