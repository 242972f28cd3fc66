"""Blocks and answers as a browser runs them, here in an ordinary Python."""

import json

import pytest

from bookbinder import in_page


@pytest.fixture
def told():
    in_page._now.update(page="", done=[], space={})
    return []


def run(told, *codes, page="p/"):
    pieces = [(number, code, True) for number, code in enumerate(codes)]
    return json.loads(in_page.run(page, pieces, lambda number, left: told.append((number, left))))


def check(answer, test="assert x == 1, 'want one'", setup="", names=("x",), above=(), page="p/"):
    return json.loads(in_page.check(page, list(above), [setup, answer, test], list(names), lambda *_: None))


def test_a_block_runs_after_those_before_it(told, capsys):
    assert run(told, "a = 2", "print(a)\na + 1")["result"] == "3"
    assert capsys.readouterr().out == "2\n" and told == [(0, 1), (1, 0)]


def test_what_was_run_unchanged_is_not_run_again(told):
    run(told, "n = [0]", "n[0] += 1")
    assert run(told, "n = [0]", "n[0] += 1", "n[0]")["result"] == "1"
    assert told[-1] == (2, 0) and len(told) == 3


@pytest.mark.parametrize("page, first", [("p/", "n = [5]"), ("q/", "n = [0]")])
def test_a_change_above_or_another_page_begins_anew(told, page, first):
    run(told, "n = [0]", "n[0] += 1")
    assert run(told, first, "n[0] += 1", "n[0]", page=page)["result"] == str(eval(first[4:])[0] + 1)
    assert told[2:] == [(0, 2), (1, 1), (2, 0)]


def test_the_same_block_again_begins_anew_so_that_its_numbers_are_those_of_the_page(told):
    run(told, "n = [0]", "n[0] += 1\nn[0]")
    assert run(told, "n = [0]", "n[0] += 1\nn[0]")["result"] == "1"


def test_of_a_block_that_needs_more_the_imports_are_carried_out(told):
    pieces = [(0, "import json, torchwood, math\nprint(torchwood)", False), (1, "json.dumps(math.pi)", True)]
    assert json.loads(in_page.run("p/", pieces, lambda *_: None))["result"] == repr("3.141592653589793")


def test_an_import_of_what_no_browser_runs_may_fail_where_it_is_not_used(told, monkeypatch):
    monkeypatch.setitem(in_page._MISSING, "torchwood", "Torchwood")
    assert run(told, "import torchwood, math\nmath.pi > 3")["result"] == "True"
    assert run(told, "import torchwood\ntorchwood")["error"].startswith("NameError")
    assert run(told, "import torchwool")["error"].startswith("ModuleNotFoundError")


def test_a_block_goes_on_after_others_that_it_does_not_need(told):
    tell = lambda *said: told.append(said)
    in_page.run("p/", [(0, "n = [0]", True), (1, "m = 1", True)], tell)
    said = in_page.run("p/", [(0, "n = [0]", True), (1, "m = 1", False), (2, "n", True)], tell)
    assert json.loads(said)["result"] == "[0]" and told == [(0, 1), (1, 0), (2, 0)]
    in_page.run("p/", [(0, "n = [0]", True), (1, "m = 1", True)], tell)
    assert told[3:] == [(0, 1), (1, 0)]


def test_an_error_is_told_from_the_block_on_and_what_comes_next_begins_anew(told):
    said = run(told, "def f():\n    return 1 / 0", "f()")
    assert said["error"] == "ZeroDivisionError: division by zero"
    assert 'File "<block 2>", line 1' in said["trace"] and "return 1 / 0" in said["trace"]
    assert "in_page" not in said["trace"]
    run(told, "x = 1", "x")
    assert told[-2:] == [(0, 1), (1, 0)]


def test_a_syntax_error_names_the_line(told):
    said = run(told, "x = (\n")
    assert (
        said["error"].startswith("SyntaxError")
        and "<block 1>" in said["trace"]
        and "ast" not in said["trace"]
    )


def test_figures_of_the_last_block_are_drawn_and_closed(told):
    draw = "import matplotlib; matplotlib.use('agg')\nimport matplotlib.pyplot as plt\nplt.title('T{}')"
    said = run(told, draw.format(1), draw.format(2) + "\nNone")
    assert [figure["alt"] for figure in said["figures"]] == ["T2"]
    assert run(told, "1")["figures"] == []


def test_builtins_and_streams_are_given_back(told, capsys):
    run(told, "import builtins, sys\nbuiltins.print = None\nsys.stdout = None")
    run(told, "print('still here')")
    assert capsys.readouterr().out == "still here\n"


@pytest.mark.parametrize(
    ("answer", "verdict", "said"),
    [
        ("x = 1", "right", ""),
        ("x = ...", "not yet", "fill `x`"),
        ("y = 1", "not yet", "`x` is missing"),
        ("x = 2", "not right", "want one"),
        ("x = 1 / 0", "error", "ZeroDivisionError: division by zero (your answer, line 1)"),
        ("assert False, 'mine'", "error", "AssertionError: mine (your answer, line 1)"),
        ("x = (", "error", "SyntaxError: '(' was never closed"),
        ("import sys; sys.exit()", "error", "SystemExit"),
        (
            "import torchwood",
            "error",
            "ModuleNotFoundError: No module named 'torchwood' (your answer, line 1) (it does",
        ),
        ("print = None; x = 1", "right", ""),
        ("def check(): pass\nx = 1", "right", ""),
    ],
)
def test_verdicts(told, answer, verdict, said):
    got = check(answer)
    assert got["verdict"] == verdict and got["said"].startswith(said)


def test_a_check_that_fails_by_itself_says_where(told):
    assert check("x = 'a'", "assert x + 1")["said"].endswith("(check, line 1)")


def test_the_set_up_is_run_first_and_each_answer_is_alone(told):
    assert check("x = given", setup="given = 1")["verdict"] == "right"
    assert check("x = given")["verdict"] == "error"


def test_in_a_lab_an_answer_sees_what_is_above_it(told):
    above = [(0, "one = 1", True)]
    assert check("x = one", above=above)["verdict"] == "right"
    failed = check("x = one", above=[(0, "1 / 0", True)])
    trace = failed.pop("trace")
    assert failed == {"verdict": "error", "said": "above this exercise: ZeroDivisionError: division by zero"}
    assert trace.startswith('  File "<block ')
