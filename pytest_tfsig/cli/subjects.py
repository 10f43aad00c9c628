"""What `record` and `warmup` work on: a model, served, and the requests that go to it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_tfsig.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_tfsig.contract import Contract
    from pytest_tfsig.recordings import Exchange
    from pytest_tfsig.savedmodel import ModelPath, SavedModel
    from pytest_tfsig.serving import ServedModel


def add_options(parser: argparse.ArgumentParser, examples: int) -> None:
    """Adds the options that say which requests are sent, and what serves the model."""
    parser.add_argument("model", help="a SavedModel, as for show, or a contract file that names one")
    parser.add_argument(
        "--contract", metavar="FILE", help="draw requests from this contract (default: the model's own)"
    )
    parser.add_argument("--signature", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument(
        "--requests",
        action="append",
        metavar="FILE",
        help="send these instead: TFRecords of PredictionLogs, or an .npz of one request's inputs; may be repeated",
    )
    parser.add_argument(
        "--examples", type=int, default=examples, metavar="N", help=f"requests drawn (default: {examples} a signature)"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the requests (default: 0)")
    parser.add_argument("--server", default="auto", help="auto, container, binary or embedded (default: auto)")


@dataclass(frozen=True, slots=True)
class Work:
    """A model and the contract that its requests are drawn from.

    Attributes:
        path: Where the model lies.
        saved_model: What it declares.
        contract: Completed from the model; the signatures that were asked for.
    """

    path: ModelPath
    saved_model: SavedModel
    contract: Contract

    def requests(self, arguments: argparse.Namespace) -> Iterator[Exchange]:
        """Yields the requests: those of the files that were named, or drawn ones, signature by signature.

        Raises:
            RecordError: A file cannot be read.
            UsageError: An input of a file is not one of the signature.
        """
        from pytest_tfsig.recordings import Exchange
        from pytest_tfsig.strategies import draws

        if arguments.requests:
            for file in arguments.requests:
                yield from self._of_file(file)
            return
        for name, signature in self.contract.signatures.items():
            for inputs in draws(signature, arguments.examples, arguments.seed):
                yield Exchange.of_inputs(inputs, self.saved_model.signatures[name])

    def _of_file(self, file: str) -> Iterator[Exchange]:
        from pytest_tfsig.recordings import Exchange, read, read_arrays

        if not file.endswith(".npz"):
            wanted = set(self.contract.signatures)
            yield from (exchange for exchange in read(file) if wanted.issuperset(exchange.signatures))
            return
        if len(self.contract.signatures) != 1:
            raise UsageError(f"{file}: an .npz file does not say for which signature it is; name one with --signature")
        (name,) = self.contract.signatures
        yield Exchange.of_inputs(read_arrays(file), self.saved_model.signatures[name])


def found(arguments: argparse.Namespace) -> Work:
    """Returns what the arguments of a command name.

    Raises:
        SavedModelError: There is no readable SavedModel.
        ContractError: The contract is malformed or does not fit the model.
        UsageError: No model, or no such signature; or a number that makes no sense.
    """
    from dataclasses import replace

    from pytest_tfsig.contract import Contract, load
    from pytest_tfsig.savedmodel import read, resolve

    if arguments.examples < 1:
        raise UsageError(f"--examples {arguments.examples}: at least one request is wanted")
    model, contract_file = arguments.model, arguments.contract
    if model.endswith(".toml"):
        if contract_file:
            raise UsageError(f"{model} and --contract {contract_file}: name one contract")
        contract_file = model
    stated = load(contract_file) if contract_file else Contract()
    if model == contract_file:
        if stated.model is None:
            raise UsageError(f"{model} names no model; give the model, and the contract with --contract")
        model = str(stated.model)
    path = resolve(model)
    saved_model = read(path.directory)
    contract = stated.completed(saved_model.signatures)
    wanted = arguments.signature or list(contract.signatures)
    for name in wanted:
        if name not in contract.signatures:
            raise UsageError(f"--signature {name}: the contract has {', '.join(contract.signatures) or 'none'}")
    return Work(path, saved_model, replace(contract, signatures={name: contract.signatures[name] for name in wanted}))


@contextlib.contextmanager
def served(work: Work, choice: str, directory: Path | None = None) -> Iterator[ServedModel]:
    """Serves the model, and stops the server afterwards.

    Args:
        work: Whose model.
        choice: What serves it.
        directory: A copy of the model to serve instead.

    Raises:
        ServerError: It cannot be served.
    """
    from pytest_tfsig import serving

    server = serving.start(choice)
    try:
        server.add(work.path.name, work.path.version, directory or work.path.directory)
        model = serving.ServedModel(
            server, work.path.name, signatures=work.saved_model.signatures, version=work.path.version
        )
        try:
            yield model
        finally:
            model.close()
    finally:
        server.stop()
