"""pytest's hooks, markers and fixtures: every one delegates, none imports anything heavy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# An older pytest lacks hooks and names that all below needs, and would say so by a traceback.
if int(pytest.__version__.partition(".")[0]) < 8:  # noqa: PLR2004 - as pyproject.toml has it
    raise pytest.UsageError(
        f"pytest-tfsig needs pytest>=8, and {pytest.__version__} is installed: "
        'pip install "pytest>=8", or leave the plugin out with -p no:tfsig.'
    )

from pytest_tfsig import declared, failures, state
from pytest_tfsig.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_tfsig.models import CurrentModel
    from pytest_tfsig.session import Session

MARKERS = (
    "tfsig_model(path, *, name=None): the SavedModel under test: a version directory, or a base directory of versions",
    (
        "tfsig_contract(file_or_signature, *, inputs, outputs, dims, method, latency, checks, relations, consumer, "
        "pending): the contract"
    ),
    "tfsig_latency(p99='25ms', ...): latency budgets beside the contract's own",
    "tfsig_checks(only=[...], skip=[...]): which checks to run",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the options."""
    declared.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Declares the markers and turns audited models into what is collected."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.pluginmanager.register(Recorder(config), "tfsig-recorder")
    audited = declared.located(config, "audit")
    if audited:
        state.refuse_files(config, audited)
        chosen = config.args_source is pytest.Config.ArgsSource.ARGS
        config.args = [*(config.args if chosen else []), *audited]


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collects an audited model."""
    audited = declared.located(parent.config, "audit")
    if not audited:
        return None
    here = parent.config.invocation_params.dir
    # pytest keeps a symbolic link that was named as it is, and resolves the ones on the way from rootdir.
    named = {form for model in audited for form in (Path(os.path.abspath(here / model)), (here / model).resolve())}  # noqa: PTH100 - Path has no abspath that drops ".." and keeps links
    if path not in named:
        return None
    from pytest_tfsig.collection import AuditedModel

    return AuditedModel.from_parent(parent, path=path, nodeid=os.path.relpath(path, here))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collects contract files."""
    if not file_path.name.endswith(".tfsig.toml"):
        return None
    from pytest_tfsig.collection import ContractFile

    return ContractFile.from_parent(parent, path=file_path)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Makes one item a check of tests that use `tfsig_check`."""
    if "tfsig_check" in metafunc.fixturenames:
        from pytest_tfsig.collection import parametrize

        parametrize(metafunc)


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Says which server will serve, where anything will be served."""
    if not any(_is_ours(item) for item in items):
        return []
    from pytest_tfsig import progress_line
    from pytest_tfsig.collection import header

    progress_line.watch(config)
    return header(state.options_of(config))


def _is_ours(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    return "tfsig_check" in names or "served_model" in names or hasattr(item, "case")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Takes Hypothesis' deadline off tests that ask a server: meant for functions, it would fail them at random."""
    for item in items:
        if "served_model" in getattr(item, "fixturenames", ()) and getattr(
            getattr(item, "obj", None), "is_hypothesis_test", False
        ):
            from pytest_tfsig.collection import without_deadline

            without_deadline(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Serves the model of a test that uses `served_model`."""
    if "served_model" in getattr(item, "fixturenames", ()):
        from pytest_tfsig.collection import prepare

        prepare(item)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Needs the test's models no longer."""
    state.release(item.config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Puts an item's result into its report, and shows an error of ours as its text."""
    report = yield
    if call.when == "call" and state.RESULT in item.stash:
        vars(report)["tfsig_result"] = item.stash[state.RESULT]
    if call.excinfo is not None and report.failed and failures.is_ours(call.excinfo.value):
        is_check = "tfsig_check" in getattr(item, "fixturenames", ())  # its line says no more than its name
        report.longrepr = failures.shown(call.excinfo, None if is_check else item.config.rootpath)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Shows an error of ours that a module raises, such as of a `Tensor` in a marker, as its text."""
    report = yield
    call = vars(report).get("call")  # pytest's own; a plugin that makes the report itself may leave it out
    excinfo = None if call is None else call.excinfo
    if excinfo is not None and failures.is_ours(excinfo.value):
        report.longrepr = failures.shown(excinfo, collector.config.rootpath)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker of pytest-xdist what all of them share."""
    node.workerinput[state.WORKER_INPUT] = state.share(node.config)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stops the server."""
    state.close(session.config)


@pytest.fixture(scope="session")
def tfsig(pytestconfig: pytest.Config) -> Session:
    """The session: `tfsig.serve(path)` serves a further model for a test that needs several."""
    return state.session_of(pytestconfig)


@pytest.fixture(scope="session")
def served_model(tfsig: Session) -> CurrentModel:
    """The model under test, served: the one that the running test's nearest `tfsig_model` marker names."""
    from pytest_tfsig.models import CurrentModel

    return CurrentModel(tfsig)


@pytest.fixture
def tfsig_check(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Runs the check that this item is for; the test is called once for each check of its contract."""

    def check() -> None:
        __tracebackhide__ = True
        state.judge(request.node, request.param)

    return check
