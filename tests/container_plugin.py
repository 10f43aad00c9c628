"""A pytest plugin for a machine without a registry: containers run the image that is built on the spot.

PYTHONPATH=. pytest -p tests.container_plugin --tfsig-server=container example_project
"""

from __future__ import annotations

from pytest_tfsig.serving.container import ContainerRunner
from tests.docker_image import TAG, built


def pytest_configure(config):
    image = built()
    config.option.tfsig_image = TAG
    ContainerRunner.__init__.__kwdefaults__["mounts"] = image.mounts
