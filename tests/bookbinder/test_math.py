"""Formulas: what becomes of them, what is refused and where, and what is left alone.

The golden outputs stand in math_golden.txt: a name, the formula, its MathML without the annotation. After a
change of math-core, `python tests/bookbinder/test_math.py` writes them anew; look at the difference.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import markdown
import pytest
from markdown.preprocessors import Preprocessor

from bookbinder.math import ANNOTATION, STYLES, Maths, check_math
from bookbinder.page import PageError, set_page

GOLDEN = Path(__file__).with_name("math_golden.txt")
CSS = Path(__file__).parents[2] / "docs/assets/css/math.css"
EXTENSIONS = [
    "bookbinder.math",
    "toc",
    "admonition",
    "attr_list",
    "def_list",
    "footnotes",
    "md_in_html",
    "tables",
]
EXTENSIONS += ["pymdownx.superfences", "pymdownx.details", "pymdownx.tabbed"]
PAGE = Path("docs/learning/page.md")


def rows():
    """Name, source and MathML of each golden output."""
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    return list(zip(lines[0::3], lines[1::3], lines[2::3], strict=True))


def mathml(source):
    """What one formula becomes, without the annotation."""
    (html,) = Maths(source).mathml()
    return ANNOTATION.sub("", html)


def page(text):
    """A page's HTML and its Markdown object."""
    md = markdown.Markdown(
        extensions=EXTENSIONS, extension_configs={"pymdownx.tabbed": {"alternate_style": True}}
    )
    return md.convert(text), md


def faults(text):
    return [str(fault) for fault in check_math(text, PAGE)]


@pytest.mark.parametrize(("name", "source", "wanted"), rows(), ids=[name[2:] for name, *_ in rows()])
def test_golden(name, source, wanted):
    assert mathml(source) == wanted


@pytest.mark.parametrize("source", [source for _, source, _ in rows()])
def test_no_inline_style_and_every_class_has_a_rule(source):
    (html,) = Maths(source).mathml()
    assert not re.search(r"\sstyle=", html)
    for name in {name for group in re.findall('class="([^"]*)"', html) for name in group.split()}:
        assert f".{name} {{" in CSS.read_text() or name == "arithmatex"
    tex = source.strip("$").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f'<annotation data-search-exclude encoding="application/x-tex">{tex}</annotation>' in html


def test_rules_say_what_the_styles_said():
    css = CSS.read_text()
    for name, rule in re.findall(r"\.m-([\w-]+) \{ (.*?;)", css):
        assert STYLES.fullmatch(rule.rstrip(";").replace(": ", ":"))
        assert name == re.sub("[^a-z0-9]+", "-", rule).strip("-")


# What is wrong, and the line it stands on when the text begins on line 5 of the file.
ERRORS = [
    (r"a $\fracc{1}{N}$", 5, r'Unknown command "\fracc".'),
    ("a\n\n$$\n\\frac{1}{N \\sum_n x_n\n$$", 8, 'Expected closing token "}"'),
    ("$$\n\\left( \\frac{a}{b} + c\n$$", 6, r'Expected closing token "\right"'),
    ("$$\n\\begin{bmatrix}\n1 & 2\n\\end{pmatrix}\n$$", 8, r'Expected "\end{bmatrix}"'),
    ("$x_i_j$", 5, "Duplicate subscript"),
    (r"b $x + \frac{1}$", 5, "Expected argument"),
    ("$$\n\\begin{alined} a \\end{alined}\n$$", 6, 'Unknown environment "alined"'),
    ("a\nb $a + b} + c$", 6, "Unmatched closing token"),
    ("$a & b$", 5, 'Found "&"'),
    (r"$\text{loss \sum x}$", 5, "Not valid in text mode"),
    ("\\begin{aligned}\na &= b \\\\\n  &= \\foo\n\\end{aligned}", 7, r'Unknown command "\foo".'),
    ("$$x\\label{eq:x}$$", 5, "numbered equation environment"),
    (r"See $\eqref{eq:none}$.", 5, "No equation has the label eq:none."),
    ("$$\n\\begin{align} a \\label{a} \\\\\nb \\label{a} \\end{align}\n$$", 7, "The label a stands twice."),
    ("a\n\n$$\nx\n\ny\n", 7, "$$ outside a formula."),
    ("$$\nx\n\ny\n$$", 5, "$$ outside a formula."),
    ("text $$x$$ text", 5, "$$ outside a formula."),
    ("\n\na \\begin{aligned} x \\end{aligned}", 7, r"\begin outside a formula."),
    (r"see \eqref{eq:x}", 5, r"\eqref outside a formula."),
    ("text\n$$\nx\n$$", 6, "Display maths next to text."),
    ("$$\nx\n$$\ntext", 5, "Display maths next to text."),
    ("a $x +\ny$ b", 5, "A formula goes over the end"),
    (r"$a\hspace{-2em}b$", 5, "The style margin-left:-2em"),
    # A brace without its partner: the line where it stands, not where math-core notices.
    ("$$\n\\frac{1}{b\n+ c\n+ \\sqrt{d}\n$$", 6, 'Expected closing token "}"'),
    ("$$\n\\begin{aligned}\na &= b \\\\\nc &= {d\n\\end{aligned}\n$$", 8, 'Expected closing token "}"'),
    ("$$\n\\begin{aligned}\na &= {b\n+ c\n\\\\ d &= e\n\\end{aligned}\n$$", 7, 'Expected closing token "}"'),
    (
        "$$\n\\begin{cases}\n1 & \\text{if }\\{x \\\\\n0 & \\text{or\n\\end{cases}\n$$",
        8,
        'Expected closing token "}"',
    ),
    ("$$\n{\\begin{pmatrix}\n{a\n\\\\ b\n\\end{pmatrix}}\n$$", 7, 'Expected closing token "}"'),
    (
        "$$\n\\begin{aligned}\na % {\n\\\\ \\% {b \\} %}\n\\\\ c\n\\end{aligned}\n$$",
        8,
        'Expected closing token "}"',
    ),
    ("$$\n\\begin{aligned}\n{a\n\\end{aligned}}\n$$", 7, 'Expected closing token "}"'),
    ("$$\n\\begin{cases} \\{a \\\\\n{b}}\n\\\\ c \\end{cases}\n$$", 7, 'Unmatched closing token: "}"'),
    ("> $$\n> a\n> + {b\n> + (\n> + d\n> $$", 7, 'Expected closing token "}"'),
    ("> quoted\n>\n> $$\n> a\n> \\foo\n> $$", 9, r'Unknown command "\foo".'),
    ("- item\n\n    $$\n    \\foo\n    $$", 8, r'Unknown command "\foo".'),
    ('!!! note "$\\foo$"\n    text', 5, r'Unknown command "\foo".'),
    ("```python\nx = 1\n```\n\n$\\foo$", 9, r'Unknown command "\foo".'),
    ("| a |\n|---|\n| $\\foo$ |", 7, r'Unknown command "\foo".'),
    ("text[^1]\n\n[^1]: note\n\n## $\\foo$", 9, r'Unknown command "\foo".'),
]


@pytest.mark.parametrize(
    ("text", "line", "message"), ERRORS, ids=[str(number) for number in range(len(ERRORS))]
)
def test_errors_name_file_line_and_remedy(text, line, message):
    whole = f"---\ntitle: T\n---\n\n{text}\n"
    (fault, *_) = check_math(whole, PAGE)
    assert (fault.file, fault.line) == ("docs/learning/page.md", line)
    assert message in fault.message
    assert re.fullmatch(r"docs/learning/page\.md:\d+  \S.*  [A-Z].*\.", str(fault))
    set_page(PAGE, whole)
    try:  # the extension sees the text without front matter
        with pytest.raises(PageError) as caught:
            page(text.lstrip("\n"))
    finally:
        set_page(None)
    assert str(caught.value) == str(fault)


def test_all_faults_of_a_page_in_order():
    text = "$\\eqref{no}$ and $\\foo$\n\nx $$ y\n\n$\\bar$\n\n$\\foo$ and `$\\foo$`\n\n$\\foo$\n"
    lines = [fault.line for fault in check_math(text, PAGE)]
    assert lines == [1, 1, 3, 5, 7, 9]
    with pytest.raises(PageError) as caught:
        page(text)
    assert len(caught.value.__notes__) == 5 and caught.value.__notes__[-1].startswith("<text>:9")


def test_line_of_a_formula_that_stands_twice():
    good, bad = "$$\n\\begin{aligned}\na &= b\n\\end{aligned}\n$$\n\n", "$a \\foo$"
    text = f"```text\n{bad}\n```\n\n`{bad}`\n\n{good}{good}{bad}\n\n    {bad}\n"
    assert [fault.line for fault in check_math(text, PAGE)] == [19, 21]


def test_zensical_knows_the_page_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/x.md").write_text("---\na: 1\nb: 2\n---\n$\\foo$\n", encoding="utf-8")
    md = markdown.Markdown(extensions=["bookbinder.math"])
    context = Preprocessor(md)
    context.page = SimpleNamespace(path="x.md")
    context.config = {"root_dir": str(tmp_path), "docs_dir": "docs"}
    context.run = lambda lines: lines
    md.preprocessors.register(context, "rendering_context", 0)
    with pytest.raises(PageError, match=r"^docs/x\.md:5  "):
        md.convert("$\\foo$\n")


CONTAINERS = {
    "admonition": (
        '!!! note "Norm $a$"\n\n    Text $b$\n\n    $$\n    c\n    $$\n',
        '<div class="admonition note">',
    ),
    "closed box": ('??? tip "Norm $a$"\n    Text $b$\n\n    $$c$$\n', '<details class="tip">'),
    "tab": ('=== "NumPy"\n\n    $a$ and $b$\n\n    $$\n    c\n    $$\n', '<div class="tabbed-block">'),
    "list": ("- $a$\n- $b$\n\n    $$\n    c\n    $$\n", "<li>"),
    "numbered list": ("1. $a$\n\n    \\[\n    b\n    \\]\n\n2. $c$\n", "<ol>"),
    "table": ("| $a$ | y |\n|---|---|\n| $b$ | $c$ |\n", "<td>"),
    "heading": ("# $a$\n\n## The $b$ and $c$\n", "<h2"),
    "quotation": ("> $a$ and $b$\n>\n> $$\n> c\n> $$\n>\n> end\n", "<blockquote>"),
    "footnote": ("Text $a$[^1] and $b$\n\n[^1]: A note on $c$.\n", '<div class="footnote">'),
    "definition": ("Term $a$\n:   Means $b$ and $c$.\n", "<dd>"),
    "html": ("<div markdown>\n$$a$$\n\n*$b$* **$c$**\n\n</div>\n", "<em><math>"),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_formulas_in(kind):
    text, wanted = CONTAINERS[kind]
    html, _ = page(text)
    assert wanted in html
    for letter in "abc":
        assert html.count(f"<mi>{letter}</mi>") == 1
    assert "$" not in ANNOTATION.sub("", html) and "wzxhzdk" not in html
    assert html.count("<math>") + html.count('<math display="block">') == 3
    assert "<p><div" not in html


def test_bars_stars_and_underscores_mean_nothing_to_markdown():
    html, _ = page("| a |\n|---|\n| $|x|$ |\n\n$a_i * b_i * c_i$ and <b>$x<y$</b>\n")
    assert html.count("<td>") == 1 and "<em>" not in html and "<mo>&lt;</mo>" in html


def test_headings_carry_no_tex_into_the_table_of_contents():
    html, md = page("## The $\\alpha_i$ part\n\n    $\\beta$\n")
    (token,) = md.toc_tokens
    assert token["name"] == "The αi part" and token["id"] == "the-i-part"
    assert "annotation" not in html.split("</h2>")[0] and "\\alpha" not in html


def test_numbers_and_references():
    text = (
        "By $\\eqref{eq:b}$, $x = y$ and $\\overset{\\eqref{eq:a}}{=}$.\n\n"
        "\\begin{equation} x \\label{eq:a} \\end{equation}\n\n"
        '!!! note "N"\n\n    $$\n    \\begin{align} y &= 1 \\notag \\\\ z &= 2 \\label{eq:b} \\end{align}\n    $$\n'
    )
    html, _ = page(text)
    assert 'By <a href="#eq:b">(2)</a>, <math>' in html
    assert html.count("<a ") == 1  # a link inside of maths is not reached by every reader: the number stays
    assert re.search(r'<mtd class="[^"]*" id="eq:a"><mtext>\(1\)</mtext>', html)
    for target in re.findall('href="#([^"]*)"', html):
        assert html.count(f'id="{target}"') == 1
    assert page(text)[0] == html  # counting starts anew on every page


UNTOUCHED = {
    "fence": ("```python\nx = '$a$ $$ \\begin{x}'\n```", "$a$ $$ \\begin{x}"),
    "fence in a box": ('!!! note "N"\n\n    ```text\n    $a$\n\n    $$\n    ```', "$a$\n\n$$"),
    "long fence": ("````text\n```\n$a$\n````", "```\n$a$"),
    "inline code": ("`$a$` and ``$$ ` \\begin{x}``", "<code>$a$</code>"),
    "comment": ("<!-- $$ \\begin{x}\n\n$a$ -->", "$a$ -->"),
    "raw code": ("<pre>$a$ $$</pre>", "<pre>$a$ $$</pre>"),
    "attribute": ('<span title="$a$">x</span>', 'title="$a$"'),
    "image": ("![the $a$ axis](x.png)", 'alt="the $a$ axis"'),
    "escaped": (r"\$a\$ costs \$5", "<p>$a$ costs $5</p>"),
    "price": ("It costs $5 today.", "<p>It costs $5 today.</p>"),
    "prices": ("From $5 to $6, or $5-$6.", "<p>From $5 to $6, or $5-$6.</p>"),
    "prices on two lines": ("First $5\nthen $6.", "<p>First $5\nthen $6.</p>"),
    "dollar after": ("It costs $5 or 6 $, no more.", "<p>It costs $5 or 6 $, no more.</p>"),
    "price and code": ("It costs $5: `$x`", "<code>$x</code>"),
    "brackets": (r"\[a\] and \(b", "[a] and (b"),
}


@pytest.mark.parametrize("kind", UNTOUCHED)
def test_left_alone(kind):
    text, wanted = UNTOUCHED[kind]
    html, _ = page(text)
    assert "<math" not in html and not faults(text)
    assert wanted in re.sub(r"</?span(?: class=\"\w*\")?>", "", html).replace("&#39;", "'") or wanted in html


def test_what_stands_right_behind_a_formula_stays_on_its_line():
    html, _ = page("Near ($x$), by $\\mathrm{d}y$: [$z$](#a).\n\n## At $y$; $z$\n\n$$\nz\n$$\n")
    assert re.findall(r"</math>(\W*)</span>", html) == ["),", ":", ";"] and html.count('"book-kept"') == 3
    assert "</math></a>." in html and "</math></div>" in html


def test_a_lone_backtick_or_dollar_ends_with_its_paragraph():
    html, _ = page("A ` and $5\n\n$x$ and a `\n\n6$\n")
    assert html.count("<math>") == 1 and "<code>" not in html and "<mi>x</mi>" in html


def test_marks_of_a_quotation_are_no_relations():
    html, _ = page("> $$\n> a\n> = b\n> $$\n\n$$\na\n> b\n$$\n")
    assert html.count("&gt;</mo>") == 1 and ">a\n= b</annotation>" in html


def test_math_beside_code_and_escapes():
    html, _ = page("It costs $5, `$x$`, $y$, \\$ and \\\\$z$\n")
    assert html.count("<math>") == 2 and "<code>$x$</code>" in html and "It costs $5," in html


def test_lines_stay_where_they_are():
    seen = []
    md = markdown.Markdown(extensions=EXTENSIONS)
    spy = Preprocessor(md)
    spy.run = lambda lines: seen.extend(lines) or lines
    md.preprocessors.register(spy, "spy", 28)
    md.convert("$a$\n\n$$\nb\n$$\n\n    $$\n    c\n    $$\n\nline 11\n")
    assert seen[10] == "line 11" and seen[0].startswith("\x02")


if __name__ == "__main__":
    GOLDEN.write_text("".join(f"{n}\n{s}\n{mathml(s)}\n" for n, s, _ in rows()), encoding="utf-8")
