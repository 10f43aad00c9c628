from __future__ import annotations

import pytest

from pytest_tfsig.clients import Credentials
from pytest_tfsig.errors import UsageError


def test_nothing_is_sent_unless_the_environment_says_so():
    assert Credentials.from_environment({}) == Credentials()
    assert not Credentials().tls


def test_the_environment_gives_certificates_and_headers(tmp_path):
    pem = tmp_path / "x.pem"
    pem.touch()
    credentials = Credentials.from_environment(
        {
            "TFSIG_CA": str(pem),
            "TFSIG_CLIENT_CERT": str(pem),
            "TFSIG_CLIENT_KEY": str(pem),
            "TFSIG_BEARER_TOKEN": "secret",
            "TFSIG_GRPC_METADATA": "Tenant=a=b, x-team = c ,",
        }
    )
    assert credentials.tls
    assert credentials.headers == (("authorization", "Bearer secret"), ("tenant", "a=b"), ("x-team", "c"))


def test_secrets_are_never_shown():
    credentials = Credentials(ca="system", headers=(("authorization", "Bearer secret"),))
    assert "secret" not in f"{credentials!r} {credentials}"


@pytest.mark.parametrize(
    ("environment", "match"),
    [
        ({"TFSIG_CLIENT_CERT": "x"}, "belong together"),
        ({"TFSIG_CLIENT_KEY": "x"}, "belong together"),
        ({"TFSIG_CLIENT_CERT": "x", "TFSIG_CLIENT_KEY": "x"}, "needs TLS"),
        ({"TFSIG_CA": "/no/such/secret.pem"}, "TFSIG_CA does not name a file"),
        ({"TFSIG_GRPC_METADATA": "secret"}, "without a name"),
        ({"TFSIG_GRPC_METADATA": "=secret"}, "without a name"),
    ],
)
def test_what_cannot_be_used_is_told_without_its_value(environment, match):
    with pytest.raises(UsageError, match=match) as caught:
        Credentials.from_environment(environment)
    assert "secret" not in str(caught.value)
