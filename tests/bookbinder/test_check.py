"""Faults that are told without running a page."""

import pytest

from bookbinder.chapter import load
from bookbinder.check import anchors, check

FRONT = "---\ntitle: T\ndescription: D.\n---\n"


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs" / "learning").mkdir(parents=True)
    (tmp_path / "docs" / "index.md").write_text(FRONT + "# Home\n\n## Two words\n\n## Set {#own}\n")
    return tmp_path / "docs"


def faults(book, text, name="page.md"):
    file = book / name
    file.write_text(text if text.startswith("---") else FRONT + text)
    return [(fault.line, fault.message) for fault in check(load(file), book)]


def test_a_sound_page_has_no_fault(book):
    assert (
        faults(book, "# T\n\nA [link](index.md), [anchor](index.md#two-words), [own](index.md#own), $x^2$.\n")
        == []
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[a](gone.md)", "the link to gone.md leads nowhere"),
        ("![a](assets/gone.png)", "the link to assets/gone.png leads nowhere"),
        ("[a](/index.md)", "the link to /index.md leads nowhere"),
        ("[a](index.md#three)", "index.md has no #three"),
        ("[a](#here)", "this page has no #here"),
        ("<script>x</script>", "raw HTML that no page may have: <script"),
        ('<p style="color:red">x</p>', "raw HTML that no page may have: <p style="),
        ('<p onclick="x()">x</p>', "raw HTML that no page may have: <p onclick="),
        ('<img alt="x" src="https://a.b/c.png">', "raw HTML that no page may have: "),
        (r"\`<script>x</script>\`", "raw HTML that no page may have: <script"),
        ("[a](javascript:x())", "raw HTML that no page may have: ](javascript:"),
        ("[a]: <javascript:x()>", "raw HTML that no page may have: ]: <javascript:"),
        ('<svg><a href="JavaScript:x()">a</a></svg>', "raw HTML that no page may have: href="),
        ("<!-- a --><script>x</script>", "text behind a comment"),
    ],
)
def test_each_fault_is_told_at_its_line(book, line, message):
    ((at, said),) = faults(book, f"# T\n\nFirst.\n\n{line}\n")
    assert at == 9 and said.startswith(message)


@pytest.mark.parametrize(
    "line", ["`[a](gone.md)`", "<!-- [a](gone.md) -->", "[a](https://example.org)", "[a](mailto:b@c.d)"]
)
def test_what_is_no_link_of_ours_is_left_alone(book, line):
    assert faults(book, f"# T\n\n{line}\n") == []


def test_a_formula_and_a_block_are_told_together_and_sorted(book):
    said = faults(book, "# T\n\n$\\frac{1}$\n\n```py\nx\n```\n\n[a](gone.md)\n")
    assert [line for line, _ in said] == [7, 9, 13]


@pytest.mark.parametrize("title", ["<script>x</script>", '"\\x3cscript\\x3ex"', "'<p onclick=x()>'"])
def test_words_of_the_front_matter_hold_no_script(book, title):
    ((line, said),) = faults(book, FRONT.replace("title: T", f"title: {title}") + "# T\n")
    assert line == 1 and said.startswith("raw HTML that no page may have: <")


def test_needs_name_pages_or_planned_titles(book):
    text = (
        "---\ntitle: T\ndescription: D.\nobjectives: [a, b, c]\n"
        "needs: [gone.md, index.md, Better steps]\n---\n# T\n"
    )
    assert faults(book, text) == [(5, "needs: there is no page gone.md")]


def test_a_link_out_of_the_folder_is_a_fault(book):
    (book.parent / "outside.md").write_text(FRONT + "# T\n")
    (book / "in.md").symlink_to(book.parent / "outside.md")
    assert any("out of its folder" in fault.message for fault in check(load(book / "in.md"), book))


def test_binary_is_told_as_such(book):
    (book / "b.md").write_bytes(b"\x00\xff\xfe")
    (fault,) = check(load(book / "b.md"), book)
    assert "cannot be read as text" in fault.message


def test_anchors_are_those_of_the_page(book):
    text = FRONT + "# A `b` *c*\n\n## Same\n\n## Same\n\n<a id='raw'></a>\n"
    (book / "a.md").write_text(text)
    assert anchors(load(book / "a.md")) == {"a-b-c", "same", "same_1", "raw"}
