from __future__ import annotations

import subprocess

import pytest

from pytest_tfsig.clients import Credentials
from pytest_tfsig.errors import UsageError
from tests.certificates import certificates, key_of

__all__ = ["certificates"]


def test_nothing_is_sent_unless_the_environment_says_so():
    assert Credentials.from_environment({}) == Credentials()
    assert not Credentials().tls


def test_the_environment_gives_certificates_and_headers(certificates):
    credentials = Credentials.from_environment(
        {
            "TFSIG_CA": str(certificates.authority),
            "TFSIG_CLIENT_CERT": str(certificates.client),
            "TFSIG_CLIENT_KEY": str(key_of(certificates.client)),
            "TFSIG_BEARER_TOKEN": "secret\n",
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
        ({"TFSIG_GRPC_METADATA": "a b=secret"}, "a name that no header can have"),
        ({"TFSIG_GRPC_METADATA": "a-bin=secret"}, "a name that no header can have"),
        ({"TFSIG_GRPC_METADATA": "a=secret\r\nb: c"}, "TFSIG_GRPC_METADATA has a value that no header can carry"),
        ({"TFSIG_BEARER_TOKEN": "se\ncret"}, "TFSIG_BEARER_TOKEN has a value that no header can carry"),
        ({"TFSIG_BEARER_TOKEN": "secret€"}, "TFSIG_BEARER_TOKEN has a value that no header can carry"),
    ],
)
def test_what_cannot_be_used_is_told_without_its_value(environment, match):
    with pytest.raises(UsageError, match=match) as caught:
        Credentials.from_environment(environment)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"secret", b"-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----\n"]
)
def test_a_file_that_is_no_certificate_is_told(tmp_path, certificates, content):
    file = tmp_path / "bad.pem"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"^TFSIG_CA names a file that holds no certificate"):
        Credentials.from_environment({"TFSIG_CA": str(file)})
    good = {"TFSIG_CA": "system", "TFSIG_CLIENT_CERT": str(certificates.client), "TFSIG_CLIENT_KEY": str(file)}
    for bad in (good, good | {"TFSIG_CLIENT_CERT": str(file)}):
        with pytest.raises(UsageError, match="are no pair of a certificate and its key"):
            Credentials.from_environment(bad)


def test_a_key_that_wants_a_password_or_is_another_s_is_told_and_asks_nobody(tmp_path, certificates):
    locked = tmp_path / "locked.key"
    words = ["openssl", "pkey", "-in", str(key_of(certificates.client)), "-aes256", "-passout", "pass:secret"]
    subprocess.run([*words, "-out", str(locked)], check=True)
    for key in (locked, key_of(certificates.stranger)):
        with pytest.raises(UsageError, match="without a password"):
            Credentials.from_environment(
                {"TFSIG_CA": "system", "TFSIG_CLIENT_CERT": str(certificates.client), "TFSIG_CLIENT_KEY": str(key)}
            )
