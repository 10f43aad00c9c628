"""pytest's items for contracts: files, audited models, and how each item runs and fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pytest_tfsig.errors import TfsigError
from pytest_tfsig.failures import told
from pytest_tfsig.state import command, judge, keep_stated, options_of, session_of, stated_contracts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_tfsig.options import Options
    from pytest_tfsig.targets import Case


class CheckItem(pytest.Item):
    """One check of one signature, collected from a contract file or an audited model."""

    def __init__(self, *, case: Case, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.case = case

    def runtest(self) -> None:
        """Judges, and fails as the verdict says."""
        judge(self, self.case)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Returns an error of ours as its text: nobody needs our traceback."""
        if isinstance(excinfo.value, TfsigError | AssertionError):
            return told(excinfo)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Returns where the item comes from: the contract file or the model."""
        return self.path, None, f"{self.case.target.source or self.case.target.model}: {self.case.id}"


class ContractFile(pytest.File):
    """A contract file, collected as one item for each check."""

    def collect(self) -> Iterator[CheckItem]:
        """Reads the contract and yields its items."""
        from pytest_tfsig import targets

        options = options_of(self.config)
        try:
            found = targets.cases(targets.of_file(self.path, options), options)
        except TfsigError as error:
            raise self.CollectError(str(error)) from None
        keep_stated(self.config, found)
        for case in found:
            yield CheckItem.from_parent(self, name=case.id, case=case)


class AuditedModel(pytest.Directory):
    """A SavedModel to be judged without test code: its own signatures are the contract."""

    def collect(self) -> Iterator[CheckItem]:
        """Infers the contract and yields its items."""
        from pytest_tfsig import targets
        from pytest_tfsig.contract import Contract
        from pytest_tfsig.models import Target

        try:
            found = targets.cases(Target(str(self.path), Contract()), options_of(self.config))
        except TfsigError as error:
            raise self.CollectError(str(error)) from None
        keep_stated(self.config, found)
        for case in found:
            yield CheckItem.from_parent(self, name=case.id, case=case)


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Makes one item of a test that uses `tfsig_check` for each check of its contract."""
    from pytest_tfsig import targets

    config = metafunc.config
    options = options_of(config)
    definition = metafunc.definition
    try:
        target = targets.of_item(definition, options, config.rootpath)
        only, skip = targets.selection(definition.iter_markers("tfsig_checks"))
        found = targets.cases(target, options, only, skip)
    except TfsigError as error:
        raise pytest.Collector.CollectError(f"{definition.nodeid}: {error}") from None
    stated_contracts(config)[definition.path, target.model] = target.contract
    keep_stated(config, found)
    metafunc.parametrize("tfsig_check", found, indirect=True, ids=[case.id for case in found])


def without_deadline(item: Any) -> None:
    """Takes Hypothesis' default deadline off a test; one that the user chose stays."""
    import hypothesis

    function = getattr(item.obj, "__func__", item.obj)
    chosen = getattr(function, "_hypothesis_internal_settings_applied", False)
    usual = hypothesis.settings.default
    if not chosen and usual is not None and usual.deadline == timedelta(milliseconds=200):
        hypothesis.settings(deadline=None)(function)


def prepare(item: pytest.Item) -> None:
    """Serves the model of a test that uses `served_model`, so that its errors are the test's own.

    Raises:
        TfsigError: There is no model, or it cannot be served.
    """
    from pytest_tfsig import strategies, targets

    config = item.config
    session = session_of(config)
    target = targets.of_item(item, options_of(config), config.rootpath)
    if not target.contract.signatures:  # a contract that the module states for this model holds for all its tests
        stated = stated_contracts(config).get((item.path, target.model), target.contract)
        target = replace(target, contract=stated)
    session.current = session.served(target)
    session.current.pytest_line = command(item)
    signatures = session.signatures(target)
    strategies.current_signatures.set(signatures)
    first = signatures.get("serving_default") or next(iter(signatures.values()), None)
    strategies.current_signature.set(first)


def header(options: Options) -> list[str]:
    """Returns the lines that say which server will serve the models, and why no other."""
    from pytest_tfsig import serving

    try:
        choice = serving.choose(options.server, image=options.image or serving.DEFAULT_IMAGE)
    except TfsigError as error:
        return [f"tfsig: {error}"]
    rejected = "; ".join(f"no {kind}: {reason}" for kind, reason in choice.rejected)
    return [f"tfsig: models are served by {choice.kind} ({choice.why}{'; ' if rejected else ''}{rejected})"]
