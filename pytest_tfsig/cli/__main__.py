"""`python -m pytest_tfsig.cli`: the same as `tfsig`."""

from __future__ import annotations

import sys

from pytest_tfsig.cli import main

sys.exit(main())
