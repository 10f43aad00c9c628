"""A whole contract proved on the served model, against one hand-written test of the model in the process.

Ours is every check of the example's tumour contract with 100 examples: server start, gRPC, REST, batches, bad
input, parallel requests and a latency budget included. Theirs is ``handwritten_tumour.py``: one Hypothesis
property of 100 examples. Both are whole runs of pytest::

    python benchmarks/full_contract.py [REPETITIONS]
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from measure import EXAMPLE, alternate, model, ratio, table, wall_seconds

PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    path = model("tumour")
    os.environ["TUMOUR_MODEL"] = str(path)
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder, "tests")
        suite.mkdir()
        # The contract names its recorded requests, which lie beside the model.
        Path(folder, "models").symlink_to(EXAMPLE / "models")
        (suite / "pytest.ini").write_text("[pytest]\n")
        shutil.copy(EXAMPLE / "tests" / "tumour.tfsig.toml", suite)
        shutil.copy(Path(__file__).with_name("handwritten_tumour.py"), suite)
        ours = [*PYTEST, "tumour.tfsig.toml", f"--tfsig-model={path}", "--tfsig-server=embedded"]
        seconds = alternate(
            {
                "full contract, served": lambda: wall_seconds([*ours, "--tfsig-max-examples=100"], cwd=suite),
                "one property, in process": lambda: wall_seconds([*PYTEST, "handwritten_tumour.py"], cwd=suite),
            },
            repetitions,
        )
    table(seconds)
    ratio(seconds, "full contract, served", "one property, in process", target=1.0)


if __name__ == "__main__":
    main()
