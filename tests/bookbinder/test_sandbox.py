"""What a chapter's code may do: hosts that it may ask, conditions, and the rules of a kernel."""

import subprocess
import sys

import pytest

from bookbinder import sandbox


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("socket.connect", (None, ("192.0.2.1", 80))),
        ("socket.connect", (None, ("2001:db8::1", 80, 0, 0))),
        ("socket.connect", (None, (b"example.org", 80))),
        ("socket.sendto", (None, ("192.0.2.1", 53))),
        ("socket.getaddrinfo", ("example.org", 80, 0, 0, 0)),
        ("socket.getaddrinfo", (b"example.org", 80, 0, 0, 0)),
    ],
)
def test_other_machines_are_refused_by_name(event, args):
    with pytest.raises(
        PermissionError, match=r"asks for (192\.0\.2\.1|2001:db8::1|example\.org): ship the data"
    ):
        sandbox._refuse_network(event, args)


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("socket.connect", (None, ("127.0.0.1", 80))),
        ("socket.connect", (None, ("::1", 80, 0, 0))),
        ("socket.connect", (None, "/tmp/a.socket")),
        ("socket.connect", (None, b"\0abstract")),
        ("socket.getaddrinfo", ("localhost", 80, 0, 0, 0)),
        ("socket.getaddrinfo", (None, 80, 0, 0, 0)),
        ("open", ("example.org", "r", 0)),
    ],
)
def test_this_machine_is_open(event, args):
    sandbox._refuse_network(event, args)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("sys.version_info > (3,)", True),
        ("sys.version_info < (3,)", False),
        ("pytest.importorskip('a_module_that_nobody_has').x", True),
    ],
)
def test_conditions_see_sys_and_pytest(expression, wanted):
    assert sandbox.condition(expression) is wanted


def test_a_program_that_exits_fails_and_ctrl_c_goes_through():
    assert sandbox.run_program([("x = 1\n", "p.md", 3), ("exit(x)\n", "p.md", 9)])[1] == 1
    assert sandbox.run_program([("\nraise SystemExit(3)\n", "p.md", 9)]) == ("SystemExit: 3 (line 10)", 0)
    with pytest.raises(KeyboardInterrupt):
        sandbox.run_program([("raise KeyboardInterrupt\n", "p.md", 1)])


KERNEL = """
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
shell = InteractiveShell.instance()
from bookbinder import sandbox
with capture_output():
    sandbox.enter_kernel()
with capture_output() as shown:
    shell.run_cell("import matplotlib.pyplot as plt; plt.figure(label='F'); plt.gca().set_title('T')")
print([*shown.outputs[-1].data], shown.outputs[-1].data["application/x-book-figure+json"]["alt"])
for code in ("import warnings; warnings.warn('old', FutureWarning)",
             "import socket; socket.create_connection(('192.0.2.1', 80), 1)"):
    with capture_output() as shown:
        print(type(shell.run_cell(code).error_in_exec).__name__)
    print(shown.stdout.split()[-1])
with capture_output() as shown:
    shell.run_cell("import warnings; warnings.warn('mind')")
print(shown.stderr.strip())
"""


def test_a_kernel_publishes_figures_and_keeps_the_rules(tmp_path):
    env = sandbox.environment(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", KERNEL], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:4] == [
        "['application/x-book-figure+json'] T",
        "FutureWarning",
        "PermissionError",
        "UserWarning: mind",
    ]


def test_a_program_in_a_lab_leaves_no_trace_and_is_seen_by_the_labs_functions():
    names = {"__name__": "__main__", "_hidden": 1}
    exec("kept = [1]\ndef ask(x=2, *, y=3): return answer(x + y), len(kept)\n", names)
    pieces = [
        ("def answer(x):\n    kept.append(x)\n    return x\n", "page", 1),
        ("assert ask() == (5, 2) and ask(y=4) == (6, 3), ask()\nkept = 0\n_hidden\n", "page", 4),
    ]
    assert sandbox.run_program(pieces, ["answer"], names) == (
        "NameError: name '_hidden' is not defined (line 6)",
        1,
    )
    assert names["kept"] == [1] and "answer" not in names
