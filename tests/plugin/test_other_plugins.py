"""What users have beside us: other plugins, other orders, other options of pytest."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

CONTRACT = """
import pytest

pytestmark = pytest.mark.tfsig_model({model!r})

@pytest.mark.tfsig_contract()
def test_contract(tfsig_check):
    tfsig_check()
"""
CHECKS = 9


@pytest.fixture
def sound(pytester, models):
    pytester.makepyfile(CONTRACT.format(model=str(models("classifier"))))


@pytest.fixture
def broken(pytester, models):
    pytester.makepyfile(CONTRACT.format(model=str(models("classifier_nan"))))


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(
    "options",
    [
        ("-p", "no:xdist"),
        ("-p", "no:cacheprovider"),
        ("-p", "no:terminal"),
        ("-p", "no:hypothesispytest"),
        ("--capture=no",),
        ("--tb=native",),
        ("--timeout=120",),
        ("--cov=nothing", "--cov-report="),
        ("-n2", "--maxprocesses=2"),
        ("--import-mode=importlib",),
    ],
    ids=" ".join,
)
def test_it_works_beside(suite, options):
    result = suite.run("--tfsig-max-examples=10", "--junit-xml=junit.xml", *options)
    assert result.ret == 0
    assert f'tests="{CHECKS}"' in (suite._pytester.path / "junit.xml").read_text()
    assert 'failures="0"' in (suite._pytester.path / "junit.xml").read_text()


@pytest.mark.usefixtures("broken")
def test_a_check_that_fails_is_judged_again_by_rerunfailures(suite):
    result = suite.run("-k", "finite", "--reruns=2", "--tfsig-report=report")
    outcomes = result.parseoutcomes()
    assert (outcomes["failed"], outcomes["rerun"]) == (1, 2)
    assert [entry["verdict"] for entry in suite.report()["results"]] == ["fail"]


@pytest.mark.usefixtures("broken")
def test_the_last_failure_is_selected_again(suite):
    suite.run().assert_outcomes(passed=CHECKS - 1, failed=1)
    suite.run("--lf").assert_outcomes(failed=1)
    suite.run("--ff", "-x").assert_outcomes(failed=1)


@pytest.mark.usefixtures("broken")
def test_verdicts_do_not_depend_on_the_order(suite, pytester):
    def verdicts():
        return [(entry["check"], entry["verdict"], entry["falsifying"]) for entry in suite.report()["results"]]

    suite.run("--tfsig-report=report")
    in_order = verdicts()
    orders = {tuple(check for check, *_ in in_order)}
    for seed in range(3):  # as pytest-randomly does
        pytester.makeconftest(f"""
import random

def pytest_collection_modifyitems(items):
    random.Random({seed}).shuffle(items)
""")
        suite.run("--tfsig-report=report")
        orders.add(tuple(check for check, *_ in verdicts()))
        assert sorted(verdicts(), key=str) == sorted(in_order, key=str)
    assert len(orders) > 1
    pytester.makeconftest("def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    suite.run("--tfsig-report=report")
    assert verdicts() == in_order[::-1]


@pytest.mark.usefixtures("sound")
def test_a_test_that_times_out_takes_only_itself_along(suite, pytester, models):
    pytester.makepyfile(
        test_slow=f"""
import pytest, time

@pytest.mark.timeout(1)
@pytest.mark.tfsig_model({str(models("classifier"))!r})
def test_slow(served_model):
    served_model.status()
    time.sleep(30)
"""
    )
    result = suite.run("--tfsig-max-examples=10")
    result.assert_outcomes(passed=CHECKS, failed=1)
