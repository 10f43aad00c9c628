"""A container image for machines without a registry: our own server behind the official image's entry point.

The image holds nothing. This machine's Python, its libraries and the package are mounted into it read-only, so it is
built in a moment; `MODEL_NAME`, `MODEL_BASE_PATH`, the ports and further flags mean what they mean to
`tensorflow/serving`.
"""

from __future__ import annotations

import hashlib
import io
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import engine
from pytest_tfsig.serving.container import ContainerRunner
from tests.needs import unavailable

_ROOT = Path(__file__).parent.parent
# It runs this environment's Python on this clone's files: tests of another may use the engine at the same time.
TAG = f"pytest-tfsig/embedded-server:test-{hashlib.sha256(f'{sys.prefix} {_ROOT}'.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class DockerImage:
    """An image that runs with this machine's files."""

    name: str
    mounts: tuple[tuple[Path, str], ...]

    def runner(self, **options) -> ContainerRunner:
        """Return a runner of the image."""
        return ContainerRunner(self.name, mounts=self.mounts, **options)

    def conftest(self) -> str:
        """Return a conftest.py with which a pytest of its own mounts these files into every container."""
        mounts = [(str(here), there) for here, there in self.mounts]
        return (
            "from pathlib import Path\n"
            "from pytest_tfsig.serving.container import ContainerRunner\n"
            f"ContainerRunner.__init__.__kwdefaults__['mounts'] = [(Path(a), b) for a, b in {mounts!r}]\n"
        )


@pytest.fixture(scope="session")
def docker_image() -> DockerImage:
    """Builds the image; skips where there is no engine, unless this is CI, which must have one."""
    try:
        client = engine.connect(10)
    except ServerError as error:
        unavailable(str(error))
    client.close()
    return built()


def built() -> DockerImage:
    """Builds the image, in a fraction of a second.

    Raises:
        ServerError: There is no engine.
    """
    client = engine.connect()
    try:
        client.images.build(fileobj=io.BytesIO(_dockerfile().encode()), tag=TAG, rm=True)
    finally:
        client.close()
    return DockerImage(TAG, tuple((path, str(path)) for path in _mounted()))


def _dockerfile() -> str:
    server = shlex.join([sys.executable, "-P", "-m", "pytest_tfsig.model_server"])
    entry = (
        f"exec {server} --port=8500 --rest_api_port=8501 --tfsig_host=0.0.0.0 --model_name=${{MODEL_NAME}} "
        '--model_base_path=${MODEL_BASE_PATH}/${MODEL_NAME} "$@"'
    )
    quoted = entry.replace("\\", "\\\\").replace('"', '\\"')
    return f"""\
FROM scratch
ENV MODEL_NAME=model MODEL_BASE_PATH=/models PYTHONPATH={_ROOT} HOME=/tmp PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
EXPOSE 8500 8501
ENTRYPOINT ["/bin/sh", "-c", "{quoted}", "entry"]
"""


def _mounted() -> list[Path]:
    wanted = [Path(name) for name in ("/usr", "/lib", "/lib64", "/bin", "/etc")]
    wanted += [Path(sys.base_prefix), Path(sys.prefix), _ROOT / "pytest_tfsig"]
    paths = [path for path in wanted if path.is_dir()]
    return [path for path in paths if not any(path.is_relative_to(other) for other in paths if other != path)]
