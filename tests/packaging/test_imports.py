"""Nothing heavy at import: the plugin is loaded in every pytest run of its environment."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "tensorflow",
    "grpc",
    "numpy",
    "hypothesis",
    "docker",
    "testcontainers",
    "google.protobuf",
    "jinja2",
    "urllib3",
)


@pytest.mark.parametrize("module", ["pytest_tfsig", "pytest_tfsig.plugin", "pytest_tfsig.cli", "pytest_tfsig.declared"])
def test_nothing_heavy_is_imported(module):
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_run_without_contracts_imports_nothing_heavy(pytester):
    pytester.makepyfile(
        f"""
        import sys

        def test_modules():
            assert not [name for name in {[name for name in HEAVY if name != "hypothesis"]!r} if name in sys.modules]
        """
    )
    # These two import numpy themselves, where they are installed.
    pytester.runpytest_subprocess("-p", "no:hypothesispytest", "-p", "no:randomly").assert_outcomes(passed=1)


def test_every_public_name_can_be_had():
    code = (
        "import pytest_tfsig as package; public = set(package.__all__); assert public <= set(dir(package)); "
        "assert all(getattr(package, name) is not None for name in public)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    code = "import pytest_tfsig; pytest_tfsig.Tensr"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "module 'pytest_tfsig' has no attribute 'Tensr'" in done.stderr
