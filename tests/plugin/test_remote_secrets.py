"""A server that runs elsewhere, behind TLS and for those it knows: its secrets go there and nowhere else."""

from __future__ import annotations

import re

import pytest

from pytest_tfsig.serving import ManagedServer
from pytest_tfsig.serving.embedded import EmbeddedRunner
from tests.certificates import certificates, key_of
from tests.guarded_server import guarded

__all__ = ["certificates"]

pytestmark = pytest.mark.slow
DEAD = "http://127.0.0.1:9"
TOKEN, TENANT = "canary-of-the-token-5f1c", "canary-of-the-tenant-a7d2"
HEADERS = {"authorization": f"Bearer {TOKEN}", "tenant": TENANT}
CONTRACT = """
@pytest.mark.tfsig_contract(
    inputs={"x": Tensor("float32", ["batch", 4], min=-2, max=2)},
    outputs={"probabilities": Probabilities("float32", ["batch", WIDTH])},
)
def test_contract(tfsig_check):
    tfsig_check()

def test_own(served_model):
    print(served_model, served_model.server, vars(served_model), vars(served_model.server))
    assert served_model.predict({"x": [[0.0] * 5]})
"""


@pytest.fixture(scope="module")
def server(models):
    server = ManagedServer.launch(EmbeddedRunner(), timeout=60)
    server.add("classifier", 2, models("classifier") / "2")
    yield server
    server.stop()


@pytest.fixture
def credentials(certificates, monkeypatch):
    monkeypatch.setenv("TFSIG_CA", str(certificates.authority))
    monkeypatch.setenv("TFSIG_CLIENT_CERT", str(certificates.client))
    monkeypatch.setenv("TFSIG_CLIENT_KEY", str(key_of(certificates.client)))
    monkeypatch.setenv("TFSIG_BEARER_TOKEN", TOKEN)
    monkeypatch.setenv("TFSIG_GRPC_METADATA", f"tenant={TENANT}")
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"):
        monkeypatch.setenv(name, DEAD)
        monkeypatch.setenv(name.upper(), DEAD)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


def run(suite, guard, *options, width=3):
    suite.write(CONTRACT.replace("WIDTH", str(width)), contract=False)
    options = ("--tfsig-model=classifier", "--tfsig-report=report", "--tfsig-max-examples=20", "-vv", *options)
    return suite.run(*options, f"--tfsig-rest={guard.rest}", server=guard.grpc)


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_contract_is_judged_through_tls_with_certificates_a_token_and_metadata(suite, server, certificates, host):
    with guarded(server, certificates, HEADERS, host) as guard:
        result = run(suite, guard, "-k", "not own")
    assert result.ret == 0
    assert guard.refused == []
    judged = {entry["check"]: entry["verdict"] for entry in suite.report()["results"]}
    assert judged["outputs"] == judged["transports_agree"] == "pass"


@pytest.mark.usefixtures("credentials")
def test_no_secret_is_printed_or_written_whatever_fails(suite, pytester, server, certificates):
    with guarded(server, certificates, HEADERS) as guard:
        result = run(suite, guard, "--junit-xml=junit.xml", "-l", "--showlocals", "--log-level=DEBUG", "-rA", width=5)
    assert result.ret == 1
    assert result.parseoutcomes()["failed"] > 1
    key = key_of(certificates.client).read_text()
    secret = re.compile("|".join([TOKEN, TENANT, *key.split("\n")[1:-2]]).encode())
    written = {path: path.read_bytes() for path in pytester.path.rglob("*") if path.is_file()}
    assert {"report.json", "report.html", "verdict.json", "junit.xml"} <= {path.name for path in written}
    written["terminal"] = (result.stdout.str() + result.stderr.str()).encode()
    assert [str(path) for path, content in written.items() if secret.search(content)] == []
