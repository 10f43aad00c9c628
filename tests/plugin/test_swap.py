"""The check swap as users run it: two versions change places in a real server while requests go on."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.slow

FILE = """
[signatures.serving_default.inputs.x]
dtype = "float32"
shape = ["batch", 4]
min = -2
max = 2
"""
OPTIONS = "[signatures.serving_default.checks]\n"


@pytest.fixture
def run(suite, pytester, models):
    def run(candidate, options="", *, server="embedded", arguments=()):
        pytester.makefile(".tfsig.toml", classifier=FILE + (OPTIONS + options if options else ""))
        released = models("classifier") / "1"
        given = [f"--tfsig-model={candidate}", f"--tfsig-baseline={released}", "--tfsig-report=report"]
        return suite.run(*given, "-k", "swap", *arguments, server=server)

    return run


def assert_swapped(result, suite):
    assert result.ret == 0
    [entry] = suite.report()["results"]
    told = r"(\d+) requests over gRPC and REST, (\d+) of them while versions were swapped: all answered, the slowest"
    requests, changing = map(int, re.match(told, entry["message"]).groups())
    assert requests > changing > 0
    assert len(entry["details"]["stages"]) == 12


def test_two_versions_change_places_without_an_error(run, suite, models):
    assert_swapped(run(models("classifier") / "2"), suite)


@pytest.mark.docker
def test_two_versions_change_places_in_a_container(run, suite, pytester, models, docker_image):
    pytester.makeconftest(docker_image.conftest())
    image = f"--tfsig-image={docker_image.name}"
    assert_swapped(run(models("classifier") / "2", server="container", arguments=[image]), suite)


def test_classify_and_regress_are_swapped_too(suite, models):
    examples = models("examples")
    chosen = "(classify-swap or regress-swap) and not bad"
    result = suite.run(
        f"--tfsig-audit={examples}", f"--tfsig-baseline={examples}", "-k", chosen, "--tfsig-report=report"
    )
    result.assert_outcomes(passed=2, deselected=result.parseoutcomes()["deselected"])
    assert all("requests over gRPC and REST" in entry["message"] for entry in suite.report()["results"])


def test_versions_that_nobody_can_ask_alike_are_left_to_the_check_compatible(run, models):
    result = run(models("two_inputs"), arguments=["-rs"])
    result.assert_outcomes(skipped=1, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines(
        ["*no request is answered by both versions (gRPC INVALID_ARGUMENT*; see the checks compatible*"]
    )


def test_a_model_whose_first_request_is_slow_breaks_a_bound(run, models):
    result = run(models("classifier_cold"), 'swap = { slowest = "500ms" }\n')
    assert result.ret == 1
    # The version may be ready at the very end of a stage: the request that meets it first may begin in the next one.
    result.stdout.re_match_lines(
        [
            r"a request took 1\.\d+ s, (while the candidate is loaded|with both versions served)$",
            r" *at most 500 ms \(checks\.swap\.slowest\)$",
            r".*ship a warmup file with the model ",
        ]
    )


def test_the_same_model_keeps_the_bound_that_holds_by_default(run, suite, models):
    assert_swapped(run(models("classifier_cold")), suite)
    assert run(models("classifier_cold"), "swap = false\n").ret == 5
