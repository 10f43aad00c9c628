from __future__ import annotations

import docker.errors
import pytest
from docker.models.images import RegistryData

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import engine
from pytest_tfsig.serving.protocol import DEFAULT_IMAGE
from tests.raw_server import raw_server, replies


class Engine:
    """A docker client whose pulls go as a test says."""

    def __init__(self, *pulls, present=False):
        self.images = self.api = self
        self.pulls = list(pulls)
        self.present = present
        self.pulled = 0

    def get(self, image):
        if not self.present:
            raise docker.errors.ImageNotFound(image)

    def pull(self, repository, *, tag, stream, decode):
        assert (repository, tag, stream, decode) in {("image", "latest", True, True), ("some/image", "1", True, True)}
        self.pulled += 1
        problem = self.pulls.pop(0)
        if problem is not None and problem.startswith("midway: "):
            return [{"status": "Pulling"}, {"error": problem.removeprefix("midway: ")}]
        if problem is not None:
            raise docker.errors.APIError(problem)
        self.present = True
        return [{"status": "Pulling"}]


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    waited = []
    monkeypatch.setattr(engine.time, "sleep", waited.append)
    return waited


def test_an_image_that_is_there_is_not_pulled():
    client = Engine(present=True)
    engine.provide_image(client, "image")
    assert client.pulled == 0


def test_an_image_is_pulled_once():
    client = Engine(None)
    engine.provide_image(client, "image")
    assert client.pulled == 1


def test_a_pull_that_may_yet_succeed_is_tried_again_and_later_each_time(waits):
    client = Engine("toomanyrequests: slow down", "read: connection reset by peer", None)
    engine.provide_image(client, "image")
    assert client.pulled == 3
    assert waits == [1.0, 2.0]


@pytest.mark.parametrize(
    ("problem", "tries", "match"),
    [
        ("toomanyrequests: You have reached your pull rate limit", 4, "docker login"),
        ("dial tcp: lookup registry-1.docker.io: no such host", 4, "load the image beforehand"),
        ("manifest unknown: manifest unknown", 1, "check its name and tag"),
        ("pull access denied for x, repository does not exist", 1, "its registry refuses"),
        (
            "no matching manifest for linux/arm64/v8 in the manifest list",
            1,
            "use the embedded server, or .* `docker pull --platform`",
        ),
        ("received unexpected HTTP status: 503 Service Unavailable", 4, "its registry fails: try again later"),
        ("midway: unexpected EOF", 4, "unexpected EOF"),
        ("midway: no matching manifest for linux/arm64/v8 in the manifest list", 1, "this machine's processor"),
        ("something else", 1, r"something else\.$"),
    ],
)
def test_a_pull_that_fails_is_explained(problem, tries, match):
    client = Engine(*[problem] * 9)
    with pytest.raises(ServerError, match=f"Image some/image:1 cannot be pulled: .*{match}"):
        engine.provide_image(client, "some/image:1")
    assert client.pulled == tries


class Arm:
    """A docker client on arm64, whose registry has an image for some platforms."""

    def __init__(self, *platforms):
        self.images = self
        self.attrs = {"Platforms": list(platforms)}

    def version(self):
        return {"Os": "linux", "Arch": "arm64"}

    def get(self, image):
        raise docker.errors.ImageNotFound(image)

    def get_registry_data(self, image):
        return RegistryData(image, self.attrs, client=self)

    def close(self):
        pass


AMD64 = {"os": "linux", "architecture": "amd64"}


@pytest.mark.parametrize("arm64", [{}, {"variant": "v8"}])
def test_auto_takes_an_image_that_is_built_for_arm64_too(monkeypatch, arm64):
    platform = {"os": "linux", "architecture": "arm64", **arm64}
    monkeypatch.setattr(engine, "connect", lambda _: Arm(AMD64, platform))
    assert engine.why_not("own/serving:1") is None


def test_auto_says_on_arm64_that_the_default_image_is_not_built_for_it(monkeypatch):
    monkeypatch.setattr(engine, "connect", lambda _: Arm(AMD64))
    assert engine.why_not(DEFAULT_IMAGE) == f"image {DEFAULT_IMAGE} is not built for linux/arm64"


def test_a_program_for_another_processor_is_told_with_what_to_do():
    advice = engine.advice("exec /usr/bin/tf_serving_entrypoint.sh: exec format error")
    assert "not built for this machine's processor: use the embedded server" in advice
    assert "`docker pull --platform`" in advice
    assert engine.advice("no such file") == ""


def test_no_engine_is_one_sentence(monkeypatch):
    monkeypatch.setattr(engine, "engine_address", lambda: None)
    with pytest.raises(ServerError, match="start Docker or Podman, or set DOCKER_HOST"):
        engine.connect()


def test_an_engine_that_is_gone_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(ServerError, match=rf"does not answer: nothing answers at {tmp_path}/none.sock"):
        engine.connect()
    assert "does not answer" in engine.why_not("image")


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"hello"])
def test_what_is_no_engine_is_one_sentence(monkeypatch, answer):
    with raw_server(replies(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + answer)) as address:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{address}")
        with pytest.raises(ServerError, match=rf"^What answers at tcp://{address} is no container engine\b"):
            engine.connect()


def test_the_users_image_prefix_counts(monkeypatch):
    monkeypatch.setenv("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", "mirror.example/")
    assert engine.full_name("tensorflow/serving:2.20.0") == "mirror.example/tensorflow/serving:2.20.0"
