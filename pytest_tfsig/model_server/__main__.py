"""`python -m pytest_tfsig.model_server`."""

from __future__ import annotations

import sys

from pytest_tfsig.model_server.main import main

sys.exit(main())
