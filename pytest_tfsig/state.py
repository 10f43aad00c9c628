"""What the plugin keeps in pytest's own objects: options, the session, and the results of items."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_tfsig.declared import OPTIONS
from pytest_tfsig.errors import TfsigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_tfsig.contract import Contract
    from pytest_tfsig.options import Options
    from pytest_tfsig.serving.shared import Shared
    from pytest_tfsig.session import Session
    from pytest_tfsig.targets import Case

READ = pytest.StashKey["Options"]()
SESSION = pytest.StashKey["Session"]()
CONTRACTS = pytest.StashKey["dict[tuple[Path, str], Contract]"]()
# The key of what xdist's workers are told.
WORKER_INPUT = "tfsig_run"
SERVER = pytest.StashKey["dict[str, Any]"]()
Stated = tuple[str, str, str, str, str]
"""A check that a contract asks for: the model's path, the contract's file, its consumer, the signature, the check."""
CASES = pytest.StashKey["set[Stated]"]()
LEFT = pytest.StashKey[str]()
"""What could not be cleaned up at the end."""
RESULT = pytest.StashKey["dict[str, Any]"]()
RUN = pytest.StashKey["tuple[str, int]"]()


def options_of(config: pytest.Config) -> Options:
    """Returns the run's options, read on first use.

    Raises:
        pytest.UsageError: A value is not one that the option can have, or the environment lacks what all of ours needs.
    """
    if READ not in config.stash:
        from pytest_tfsig import options, requirements

        if problem := requirements.unmet():
            raise pytest.UsageError(problem)
        try:
            config.stash[READ] = options.read(config)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[READ]


def refuse_files(config: pytest.Config, audited: Iterable[str]) -> None:
    """Refuses to audit a file, of which pytest would only say that it finds no tests in it.

    Raises:
        pytest.UsageError: One is a file, such as a .tflite or .keras file; the message says how to export it.
    """
    for model in audited:
        path = config.invocation_params.dir / model
        if path.is_file():
            from pytest_tfsig.savedmodel import resolve

            try:
                resolve(path)
            except TfsigError as error:
                raise pytest.UsageError(f"--tfsig-audit {model}: {error}") from None


def stated_contracts(config: pytest.Config) -> dict[tuple[Path, str], Contract]:
    """Returns the contracts that collected tests state, by their module's path and the model's."""
    return config.stash.setdefault(CONTRACTS, {})


def stated_cases(config: pytest.Config) -> set[Stated]:
    """Returns every check that collected contracts ask for, whether or not it is to run; pending ones do not count."""
    return config.stash.setdefault(CASES, set())


def keep_stated(config: pytest.Config, cases: Iterable[Case]) -> None:
    """Notes what contracts ask for, so that what was left out of a run can be told from what was judged."""
    stated_cases(config).update(
        (
            case.target.model,
            "" if case.target.file is None else str(case.target.file.absolute()),
            case.target.consumer,
            case.signature,
            case.check.name,
        )
        for case in cases
        if not case.target.contract.pending
    )


def session_of(config: pytest.Config) -> Session:
    """Returns the session of this process, made on first use."""
    if SESSION not in config.stash:
        from pytest_tfsig.session import Session

        given = getattr(config, "workerinput", {}).get(WORKER_INPUT)
        config.stash[SESSION] = Session(
            options_of(config),
            _kept(config),
            seed=seed_of(config),
            owner=os.getpid(),
            under_xdist=hasattr(config, "workerinput"),
            shared=None if given is None else _shared(given),
        )
    return config.stash[SESSION]


def _kept(config: pytest.Config) -> Path | None:
    """Returns the folder that is kept between runs; None where pytest has none, or cannot write it."""
    cache = getattr(config, "cache", None)
    try:
        return None if cache is None else cast("Path", cache.mkdir("tfsig"))
    except OSError:
        return None


def share(config: pytest.Config) -> tuple[str, int]:
    """Returns what workers need to share one server: a folder, made by the first that needs it, and our process."""
    if RUN not in config.stash:
        config.stash[RUN] = (str(Path(tempfile.gettempdir(), f"tfsig-run-{os.urandom(8).hex()}")), os.getpid())
    return config.stash[RUN]


def _shared(run: tuple[str, int]) -> Shared:
    from pytest_tfsig.serving.shared import Shared

    folder, owner = run
    return Shared(Path(folder), owner=owner)


def seed_of(config: pytest.Config) -> int | None:
    """Returns what --hypothesis-seed says, where it is a number."""
    given = config.getoption("hypothesis_seed", None)
    try:
        return None if given is None else int(given)
    except ValueError:
        return None


def judge(item: pytest.Item, case: Case) -> None:
    """Judges a case, keeps the result on the item, and ends the item as the verdict says.

    Raises:
        Violation: The check does not hold.
        UsageError: The check could not judge, or did not decide.
    """
    __tracebackhide__ = True
    result, outcome = session_of(item.config).judge(case.target, case.signature, case.check, command(item))
    item.stash[RESULT] = result.as_dict()
    item.user_properties.append(("tfsig_verdict", result.verdict))
    if "strength" in outcome.details:
        item.user_properties.append(("tfsig_strength", result.message))
    item.user_properties.append(("tfsig_model", f"{result.model.name}/{result.model.version}"))
    if result.consumer:
        item.user_properties.append(("tfsig_consumer", result.consumer))
    if outcome.verdict == "skip":
        pytest.skip(outcome.message)
    if result.pending and result.verdict != "pass":
        from pytest_tfsig.reports.visible import first_line

        whose = f" of {result.consumer}" if result.consumer else ""
        pytest.xfail(f"pending contract{whose}: {result.verdict}: {first_line(result.message)}")
    if outcome.violation is not None and outcome.verdict == "fail":
        raise outcome.violation
    if outcome.verdict in {"error", "inconclusive"}:
        raise UsageError(f"{outcome.verdict}: {outcome.message}")


def command(item: pytest.Item) -> str:
    """Returns the shell line that runs an item again, with the options that bear on its verdict."""
    config = item.config
    words = ["pytest", *selection(item)]
    unrelated = {"audit", "report", "update"}
    if not re.search(r"-strength\]?$", item.name):
        unrelated.add("mutate")
    for option in OPTIONS:
        given = config.getoption(option.ini)
        if given is not None and option.key not in unrelated:
            words += [f"--tfsig-{option.name}={value}" for value in (given if option.repeatable else [given])]
    seed = seed_of(config)
    if seed is not None:
        words.append(f"--hypothesis-seed={seed}")
    return shlex.join(words)


def selection(item: pytest.Item) -> list[str]:
    """Returns the arguments that select an item; pytest takes no `::` behind a directory, which an audited model is."""
    if not isinstance(item.parent, pytest.Directory):
        return [item.nodeid]
    model = item.nodeid.removesuffix(f"::{item.name}")
    words = item.name if re.fullmatch(r"[\w.+-]+", item.name) else item.name.rpartition("-")[2]
    return [f"--tfsig-audit={model}", "-k", words]


def release(config: pytest.Config) -> None:
    """Lets the models that a test used make room for the next one's."""
    if SESSION in config.stash:
        config.stash[SESSION].release()


def close(config: pytest.Config) -> None:
    """Stops the server of this session, or of this run's workers, and keeps what it was for the report."""
    if SESSION in config.stash:
        session = config.stash[SESSION]
        info = session.server_info()
        config.stash[SERVER] = info
        _stop(config, session.close)
        output = cast("dict[str, Any] | None", getattr(config, "workeroutput", None))
        if output is not None:
            output["tfsig_server"] = info
    if RUN in config.stash and Path(config.stash[RUN][0]).is_dir():
        _stop(config, _shared(config.stash[RUN]).stop)


def _stop(config: pytest.Config, stop: Callable[[], None]) -> None:
    """Stops a server; what of it is left behind for now, the end of the run tells."""
    try:
        stop()
    except TfsigError as error:
        config.stash[LEFT] = str(error)
