"""Errors of ours in users' own tests: what is wrong, which of their lines led to it, and no line of ours."""

from __future__ import annotations

import re

import pytest

REFUSED = "gRPC INVALID_ARGUMENT: *"


@pytest.fixture
def refusing(suite, models):
    """Writes tests of a model that refuses what they send: a name that it does not know."""

    def write(body):
        suite.write("from hypothesis import given\nimport numpy as np\n" + body, models("classifier"), contract=False)

    return write


def shown(result):
    result.stdout.no_fnmatch_line("*pytest_tfsig/*")
    result.stdout.no_fnmatch_line("*Traceback*")
    return result.stdout


def test_a_request_that_is_refused_is_shown_with_the_lines_that_sent_it(refusing, suite):
    refusing("""
def ask(model, name):
    return model.predict(
        {name: np.zeros((1, 4), "float32")},
    )

def test_asked(served_model):
    assert ask(served_model, "x")
    ask(served_model, "y")
""")
    shown(suite.run()).fnmatch_lines(
        [
            "*_ test_asked _*",
            REFUSED,
            "test_model.py:*: in test_asked",
            '    ask(served_model, "y")',
            "test_model.py:*: in ask",
            "    return model.predict(",
            '        {name: np.zeros((1, 4), "float32")},',
            "    )",
            "*short test summary*",
            "FAILED test_model.py::test_asked - gRPC INVALID_ARGUMENT: *",
        ]
    )


def test_hypothesis_tells_the_example_that_is_refused(refusing, suite):
    refusing("""
@given(inputs=signature_inputs())
def test_drawn(served_model, inputs):
    served_model.predict({"y": inputs["x"]})
""")
    result = suite.run()
    shown(result).fnmatch_lines(
        [
            REFUSED,
            "test_model.py:*: in test_drawn",
            '    served_model.predict({"y": inputs["x"]})',
            "* test_drawn(",
            "*inputs={'x': array(??0., 0., 0., 0.??, dtype=float32)}*",
        ]
    )
    # The wrapper that Hypothesis makes of the test is no place of its own.
    assert sum("in test_drawn" in line for line in result.outlines) == 1


@pytest.mark.parametrize(("file", "kept"), [("test_model.py", True), ("/elsewhere/library.py", False)])
def test_of_an_explanation_by_lines_those_of_the_user_are_told(refusing, suite, pytester, file, kept):
    refusing(f"""
def test_noted(served_model):
    try:
        served_model.predict({{"y": np.zeros((1, 4), "float32")}})
    except Exception as error:
        for note in ["Explanation:", "    These lines:", {f"        {pytester.path / file}:3"!r}, "highest score: 7"]:
            error.add_note(note)
        raise
""")
    result = suite.run()
    shown(result).fnmatch_lines([REFUSED, "test_model.py:*", "highest score: 7"])
    assert any(line.startswith("Explanation") for line in result.outlines) is kept


def test_a_fixture_of_the_users_own_is_told_too(refusing, suite):
    refusing("""
@pytest.fixture
def answer(served_model):
    return served_model.predict({"y": np.zeros((1, 4), "float32")})

def test_fixture(answer): ...
""")
    result = suite.run()
    result.assert_outcomes(errors=1)
    shown(result).fnmatch_lines([REFUSED, "test_model.py:*: in answer", "    return served_model.predict(*"])


def test_what_no_line_of_the_user_led_to_is_told_without_one(suite):
    suite.write("def test_mine(served_model): ...\n", "nowhere", contract=False)
    result = suite.run()
    result.assert_outcomes(errors=1)
    shown(result).fnmatch_lines(["*nowhere: no such directory; *", "*short test summary*"], consecutive=True)


def test_a_check_is_told_without_the_line_that_asks_for_it(suite, models):
    suite.write("", models("classifier_nan"))
    result = suite.run("-k", "finite")
    shown(result).no_fnmatch_line("*in test_contract")


def test_a_violation_that_a_test_of_the_users_own_asks_for_has_its_line(suite, models):
    suite.write('def test_mine(served_model):\n    served_model.check("finite")\n', models("classifier_nan"))
    shown(suite.run("-k", "mine")).fnmatch_lines(
        [
            "output 'probabilities' has NaN at *",
            "*smallest input that shows it*",
            "test_model.py:*: in test_mine",
            '    served_model.check("finite")',
        ]
    )


def test_what_a_module_states_wrongly_is_told_with_its_line(suite):
    suite.write("""
WRONG = Tensor("float23", ["batch"])
def test_never(): ...
""")
    result = suite.run()
    result.assert_outcomes(errors=1)
    shown(result).fnmatch_lines(
        [
            "*ERROR collecting test_model.py*",
            '"float23" is not a dtype of TensorFlow; did you mean "float32"?',
            "test_model.py:*: in <module>",
            '    WRONG = Tensor("float23", ["batch"])',
            '*ERROR test_model.py - "float23" is not a dtype of TensorFlow*',
        ]
    )


@pytest.mark.parametrize("arguments", [(), ("-n", "1")])
def test_a_summary_in_ci_has_a_line_for_each_failure(suite, models, pytester, monkeypatch, arguments):
    monkeypatch.setenv("CI", "true")
    suite.write('def test_mine(served_model):\n    served_model.check("finite")\n', models("classifier_nan"))
    result = suite.run("-k", "finite or mine", "--junitxml=junit.xml", *arguments)
    lines = result.outlines[result.outlines.index(next(line for line in result.outlines if " short test " in line)) :]
    assert len(lines) == 4
    assert all("has NaN at" in line for line in lines[1:3])
    messages = re.findall('<failure message="([^"]*)"', (pytester.path / "junit.xml").read_text())
    assert len(messages) == 2
    assert all("has NaN at" in message and "&#10;" not in message for message in messages)


def test_who_asks_for_a_line_gets_the_user_s(suite, models):
    suite.write('def test_mine(served_model):\n    served_model.check("finite")\n', models("classifier_nan"))
    suite.run("-k", "mine", "--tb=line").stdout.fnmatch_lines(
        ["*test_model.py:12: output 'probabilities' has NaN at *"]
    )


def test_what_a_workers_module_states_wrongly_is_told_as_well(suite):
    suite.write('WRONG = Tensor("float23", ["batch"])\n')
    shown(suite.run("-n", "1")).fnmatch_lines(
        ['"float23" is not a dtype of TensorFlow; *', '    WRONG = Tensor("float23", ["batch"])']
    )


def test_errors_of_others_are_pytests(suite, models):
    suite.write(
        "def test_mine(served_model):\n    served_model.predict(3, 4, 5)\n", models("classifier"), contract=False
    )
    suite.run().stdout.fnmatch_lines([">       served_model.predict(3, 4, 5)", "E       TypeError: *"])
