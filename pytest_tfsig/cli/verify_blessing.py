"""tfsig verify-blessing: whether a verdict is about the very model that is to be released."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.cli.output import say

if TYPE_CHECKING:
    import argparse

    from pytest_tfsig.cli.commands import Commands


def add(commands: Commands) -> None:
    """Adds the command."""
    verify = commands.add_parser(
        "verify-blessing",
        help="refuse a model that a verdict.json does not bless",
        description="Exit codes: 0 the model is blessed, 1 it is not, 2 that cannot be judged.",
    )
    verify.add_argument("verdict", help="the verdict.json of a run with --tfsig-report")
    verify.add_argument("model", help="the SavedModel to be released")
    verify.add_argument(
        "--contract",
        action="append",
        default=[],
        metavar="PATH",
        help="a contract, or a folder of them, that must have been judged; may be repeated (default: those that the "
        "verdict names, and those beside them)",
    )
    verify.add_argument(
        "--baseline", metavar="PATH", help="the released SavedModel that the model must have been compared with"
    )
    verify.add_argument("--server", choices=("container", "binary", "embedded"), help="what must have served the model")
    verify.add_argument("--image", metavar="IMAGE@sha256:DIGEST", help="the image that must have served the model")
    verify.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="what else must be as it was: server.identity=…, server.kind=…, versions.tensorflow=…; may be repeated",
    )
    verify.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pytest_tfsig.errors import UsageError
    from pytest_tfsig.reports import blessing

    expected = {}
    for stated in arguments.expect:
        key, sign, value = stated.partition("=")
        if not sign:
            raise UsageError(f"--expect {stated}: write KEY=VALUE, such as versions.tensorflow=2.21.0")
        expected[key] = value
    if arguments.image is not None:
        if "@sha256:" not in arguments.image:
            raise UsageError(f"--image {arguments.image}: a tag can move; write IMAGE@sha256:DIGEST")
        expected["server.identity"] = arguments.image
    if arguments.server is not None:
        expected["server.kind"] = arguments.server
    found = blessing.verify(
        arguments.verdict, arguments.model, arguments.contract, expected, baseline=arguments.baseline
    )
    for refusal in found.refusals:
        say(f"refused: {refusal}")
    if not found.refusals:
        say(f"blessed: {found.blessed}")
    return int(bool(found.refusals))
