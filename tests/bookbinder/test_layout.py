"""What the Markdown of a page would lose silently, each with its line, and the good form beside it."""

import pytest
from markdown import markdown

from bookbinder import chapter, layout
from bookbinder.check import check

HEAD = "---\ntitle: T\ndescription: D.\n---\n# T\n\n"  # what follows begins at line 7
BLOCK = "```python\nx = 1\n```\n"


def faults(body: str) -> list[tuple[int, str]]:
    page = chapter.parse(HEAD + body, "docs/start/page.md")
    return [(fault.line, fault.message) for fault in [*page.faults, *layout.faults(page)]]


def indented(width: int, text: str) -> str:
    return "".join(f"{' ' * width}{row}\n" if row else "\n" for row in text.split("\n"))


FALLS, CODE, EMPTY = "where nothing has its column", "it would be shown as code", "with nothing in it"
BELOW, FROM_1 = "a list directly below a text", "is shown from 1"
BAD = {
    # Boxes and tabs
    "box-2": ('!!! note "A"\n  b', 8, FALLS),
    "box-3": ('!!! note "A"\n   b\n\nc', 8, FALLS),
    "box-5": ("!!! note\n     b", 8, FALLS),
    "box-second": ("!!! note\n    a\n\n   b", 10, FALLS),
    "box-in-box": ('!!! note\n    ??? tip "a"\n      b', 9, FALLS),
    "box-8": ('!!! note "A"\n\n        b', 9, CODE),
    "box-0": ('!!! note "A"\nb', 7, EMPTY),
    "box-end": ('!!! note "A"', 7, EMPTY),
    "box-then-box": ("!!! note\n\n!!! note\n    a", 7, EMPTY),
    "tab-3": ('=== "A"\n\n   b', 9, FALLS),
    "tab-fence": ('=== "A"\n\n' + indented(3, BLOCK), 9, FALLS),
    "tabulator": ("!!! note\n\tb", 8, "a tab in the indentation"),
    "no-title-end": ('!!! note "A\n    b', 7, "opens no box and no tab"),
    "no-space": ("!!!note\n    b", 7, "opens no box and no tab"),
    "one-quote": ("!!! note 'A'\n    b", 7, "opens no box and no tab"),
    "no-kind": ('!!! "A"\n    b', 7, "opens no box and no tab"),
    "four": ("???? note\n    b", 7, "opens no box and no tab"),
    "tab-no-quotes": ("=== A\n    b", 7, "opens no box and no tab"),
    "kind": ("!!! warnign\n    b", 7, "there is no box of the kind warnign"),
    # Lists
    "list-fence": ("- a\n\n" + indented(2, BLOCK), 9, FALLS),
    "list-text-fence": ("1. a\n\n   ```text\n   x\n   ```\n", 9, FALLS),
    "list-2": ("- a\n  - b", 8, FALLS),
    "list-3": ("1. a\n   - b", 8, FALLS),
    "list-second": ("- a\n\n  b", 9, FALLS),
    "list-below": ("Text:\n- a", 8, BELOW),
    "numbers-below": ("Text:\n1. a", 8, BELOW),
    "list-below-in-box": ("!!! note\n    Text:\n    - a", 9, BELOW),
    "list-below-fence": ("```text\nx\n```\n- a", 10, BELOW),
    "from-2": ("2. a\n3. b", 7, FROM_1),
    "again": ("1. a\n\n" + BLOCK + "\n2. b", 13, FROM_1),
    "mixed": ("- a\n1. b", 8, "a list of numbers and dots"),
    "paren": ("1) a", 7, "1) begins no list"),
    "task": ("- [ ] a", 7, "boxes to tick are shown as brackets"),
    "footnote": ("A[^a]\n\n[^a]: B\n\n  c", 11, FALLS),
    # Code that is shown and never run
    "indented": ("Text.\n\n    print(1)", 9, CODE),
    "indented-first": ("    print(1)", 7, CODE),
    "indented-in-list": ("- a\n\n        print(1)", 9, CODE),
    "prompts": ("```text\n>>> 1 + 1\n2\n```", 8, "prompts in a fence"),
    "prompts-quote": (">>> 1 + 1", 7, "prompts in a fence"),
    "prompts-console": ("```console\n\n>>> 1 + 1\n```", 9, "prompts in a fence"),
    "cell": ("```{code-cell}\nx\n```", 7, "```{code-cell} is no kind of fence that the book has"),
    "cell-kernel": ("```{code-cell} ipython3\nx\n```", 7, "is no kind of fence that the book has"),
    "language": ("```language-python\nx\n```", 7, "is no kind of fence that the book has"),
    "bare": ("```\nx\n```", 7, "``` is no kind of fence that the book has"),
    # Lines
    "lead": ("Text.\n\n Text.", 9, FALLS),
    "setext": ("Text\n---", 8, "makes a heading of it"),
    "setext-1": ("Text\n====", 8, "makes a heading of it"),
    "heading": ("#Title", 7, "a # without a space behind it"),
    "named": ("[a][b]", 7, "no line says where the link [b] leads"),
    "blanks": ("[a](b c.md)", 7, "a blank in the address of a link"),
    "no-note": ("a[^x]", 7, "the footnote x is not there"),
    "no-use": ("a\n\n[^x]: b", 9, "nothing refers to the footnote x"),
    "two-notes": ("a[^x]\n\n[^x]: b\n\n[^x]: c", 11, "the footnote x is there twice"),
    "table": ("Text\n| a | b |\n| - | - |\n| 1 | 2 |", 8, "a table directly below a text"),
    "more-cells": ("| a | b |\n| - | - |\n| 1 | 2 | 3 |", 9, "a row of 3 cells in a table of 2"),
    "fewer-cells": ("| a | b |\n| - | - |\n| 1 |", 9, "a row of 1 cells in a table of 2"),
    "tick": ("a\nb `c", 8, "a backtick without its partner"),
    "ids": ("## A {#x}\n\n## B { .c #x }", 9, "the id x is given twice"),
    "size": ("![a](b.png)", 7, "image b.png has no width, no height."),
    "alt": ("![](b.png){ width=1 height=2 }", 7, "image b.png has no alt."),
    "raw-image": ('<img src="b.png" alt="a" width="1">', 7, "image b.png has no height."),
    "quote-list": ("> Text:\n> - a", 8, BELOW),
    # HTML
    "raw": ("<div>\n**a**\n</div>", 8, "Markdown inside of <div> is shown as it is written"),
    "raw-fence": ("<div>\n\n" + BLOCK + "\n</div>", 9, "Markdown inside of <div>"),
    "href": ('<a href="../start/index.md#a">b</a>', 7, "a link in HTML to ../start/index.md#a"),
    "word": ("The <eos> token", 7, "<eos> is taken for HTML and vanishes"),
    "generic": ("a list<int> of", 7, "<int> is taken for HTML and vanishes"),
    "less": ("if a <b and", 7, "<b is never closed: what follows may vanish"),
    "open": ("<div>\n\ntext", 7, "<div> is never closed"),
    "close": ("a</div>", 7, "</div> closes nothing that is open"),
    # Characters
    "zero-width": ("a\N{ZERO WIDTH SPACE}b", 7, "a zero-width space: no reader sees it"),
    "override": ("a\N{RIGHT-TO-LEFT OVERRIDE}b", 7, "the control character U+202E"),
    "null": ("a\0b", 7, "a null character"),
    "feed": ("a\x0cb", 7, "the control character U+000C"),
    "separator": ("a\N{LINE SEPARATOR}b", 7, "a line separator"),
    "in-code": ("```python\nx = '\N{SOFT HYPHEN}'\n```", 8, "a soft hyphen"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_lost_is_told_at_its_line(name):
    body, line, said = BAD[name]
    (first, *more) = faults(body)
    assert first[0] == line and said in first[1]
    assert len(more) <= 1, more


GOOD = [
    '!!! note "A"\n\n    b\n\n    ??? tip "c "d" e"\n        f\n\n        - g\n            - h\n\n    i\n\nj',
    '=== "A"\n\n' + indented(4, BLOCK) + '\n=== "B"\n\n    b\n',
    '!!! note inline end "A"\n    b\n  lazy\n',
    "1. a\n\n" + indented(4, BLOCK) + "\n2. b\n3. c\n",
    "- a\n  more\nlazy\n- b\n    - c\n\n        d\n\n- e\n\n    !!! note\n        f\n",
    "It was in\n1985. Then.",
    "## A\n- b",
    "a\n\n---\n\n* * *\n\nb",
    "Term\n:   a\n\n    b\n\nText",
    "A[^a] b\n\n[^a]: B\n\n" + indented(4, BLOCK),
    "a\n\n$$\na\n- b\n    + c\n$$\n\n- d\n\n    $$\n    - e\n    $$\n",
    "\\begin{align}\na \\\\\n- b\n\\end{align}\n\n- c",
    "| a | b |\n| --- | :-: |\n| `x|y` | $|x|$ |\n| a \\| b | |",
    "!!! note\n    | a | b |\n    | - | - |\n    | 1 | 2 |",
    "a | b\n- | -\n1 | 2",
    "<details markdown>\n\n<summary>a</summary>\n\n" + BLOCK + "\n</details>",
    '<svg viewBox="0 0 1 1">\n    <g>\n        <path d="M0 0"/>\n    </g>\n</svg>\n\nText',
    "if a < b and c > d, <https://a.b>, <x@y.z>, a<br>b, H<sub>2</sub>O, `<eos>`, $a<b$ and $x <y$",
    "[a][b], x[i][j], `x[i][j]`\n\n[b]: https://x.y",
    '[a](https://x.y "t u") (see b c) [d](https://x.y){ .e #f }',
    '<div class="a">\n\na\n\n</div>\n\n<a href="https://a.b/c.md">c</a> <a href="#a">d</a>',
    "> Text:\n>\n> - a\n>   b\n> - c",
    "a `b\nc` d \\` ``e ` f``",
    "<!--\n  - a\n-->\n\n<!-- slide -->\n\n- b\n",
    "5\N{NO-BREAK SPACE}cm \N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
    "```text\nx = 1\n```\n\n```console\n$ make\n```\n\n````markdown\n```py\n>>> x\n```\n````\n",
]


@pytest.mark.parametrize("body", GOOD)
def test_no_false_alarm(body):
    assert faults(body) == []


@pytest.mark.parametrize(
    "name", ["box-3", "list-2", "numbers-below", "from-2", "indented", "word", "more-cells"]
)
def test_markdown_itself_says_nothing(name):
    """The faults are real: the library converts each page, and loses what is told here."""
    html = markdown(BAD[name][0], extensions=["admonition", "tables"])
    kept = {
        "box-3": "</div>\n<p>b",
        "list-2": "<li>b</li>\n</ul>",
        "numbers-below": "1. a</p>",
        "from-2": "<ol>\n",
    }
    kept |= {"indented": "<pre><code>", "word": "<eos>", "more-cells": "<td>2</td>\n</tr>"}
    assert kept[name] in html


@pytest.mark.parametrize("tag", ["pre", "code", "textarea", "xmp"])
def test_code_in_html_is_a_fault(tag, tmp_path):
    page = chapter.parse(f"{HEAD}<{tag}>print(1 / 0)</{tag}>\n", str(tmp_path / "page.md"))
    assert (7, f"raw HTML that no page may have: <{tag}") in [
        (f.line, f.message) for f in check(page, tmp_path)
    ]


def test_a_byte_order_mark_is_told_and_the_rest_is_read():
    page = chapter.parse("\N{ZERO WIDTH NO-BREAK SPACE}" + HEAD + BLOCK, "p.md")
    assert page.meta["title"] == "T" and page.blocks[0].line == 7
    ((line, said),) = [(fault.line, fault.message) for fault in layout.faults(page)]
    assert line == 1 and said.startswith("a byte-order mark: no reader sees it")


def test_a_field_that_stands_twice_is_told():
    page = chapter.parse("---\ntitle: T\ndescription: D.\ntitle: U\n---\n# T\n", "p.md")
    assert [(fault.line, fault.message[:20]) for fault in page.faults] == [(4, "title: stands twice ")]


@pytest.mark.parametrize(
    ("front", "line", "said"),
    [
        ("title: A <b>\ndescription: D.", 2, "title: < in it breaks the head of the page"),
        ('title: T\ndescription: A "b" c.', 3, 'description: " in it breaks the head of the page'),
    ],
)
def test_the_front_matter_stands_in_the_head_of_the_page(front, line, said):
    page = chapter.parse(f"---\n{front}\n---\n# T\n", "p.md")
    found = [(fault.line, fault.message) for fault in [*page.faults, *layout.faults(page)]]
    assert any(at == line and message.startswith(said) for at, message in found), found
