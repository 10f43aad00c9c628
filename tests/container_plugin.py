"""A pytest plugin for a machine without a registry: containers run the image that is built on the spot.

PYTHONPATH=. PYTEST_PLUGINS=tests.container_plugin pytest --tfsig-server=container example_project

An environment variable, so that a pytest that a test starts has it too.
"""

from __future__ import annotations

from pytest_tfsig.serving.container import ContainerRunner
from tests.docker_image import TAG, built


def pytest_configure(config):
    image = built()
    config.option.tfsig_image = TAG
    ContainerRunner.__init__.__kwdefaults__["mounts"] = image.mounts
