"""``tfsig show`` against ``saved_model_cli show --all`` on the same SavedModel, each as a user starts it.

Run::

    python benchmarks/show.py [REPETITIONS]
"""

from __future__ import annotations

import sys
from pathlib import Path

from measure import alternate, model, ratio, table, wall_seconds

BIN = Path(sys.executable).parent


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    path = model("digits")
    seconds = alternate(
        {
            "tfsig show": lambda: wall_seconds([BIN / "tfsig", "show", path]),
            "saved_model_cli show --all": lambda: wall_seconds(
                [BIN / "saved_model_cli", "show", "--dir", path, "--all"]
            ),
        },
        repetitions,
    )
    table(seconds)
    ratio(seconds, "tfsig show", "saved_model_cli show --all", target=0.1)


if __name__ == "__main__":
    main()
