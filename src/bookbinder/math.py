r"""LaTeX to MathML while the page is built: no script in the browser, and no formula that fails silently.

The syntax is that of pymdownx.arithmatex: `$…$` and `\(…\)` in a sentence; `$$…$$`, `\[…\]` and
`\begin{align}…\end{align}` on lines of their own. All formulas of a page are found in its own text, before
another extension changes it, and leave as placeholders that Markdown carries to the page. So a line in an
error is exact, `_`, `*` and `|` in a formula mean nothing to Markdown, and equations are numbered in reading
order. Code, comments, HTML tags and image descriptions are passed over, and `\$` is a dollar. Code indented
by four spaces is not told from text: the book writes fences.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor
from math_core import LatexError, LatexToMathML

from bookbinder.page import FAULTS, PageError, fault, front_matter_lines, show, table, where

SOLID = r"(?!\n[ \t>]*\n)"  # not at a blank line: Markdown ends its blocks there
TEX = rf"(?:\\[^\n]|{SOLID}[^$])+?"
TOKEN = re.compile(
    rf"""
      ^[ \t>]*(?P<fence>`{{3,}}|~{{3,}})[^`\n]*\n(?:.*\n)*?[ \t>]*(?P=fence)[`~]*[ \t]*$  # code
    | <!--[\s\S]*?-->
    | <(?P<tag>pre|code|script|style)\b[\s\S]*?</(?P=tag)>
    | </?[a-zA-Z](?:"[^"\n]*"|[^<>$"])*>  # a tag with its attributes
    | (?<!`)(?P<tick>`+)(?!`)(?:{SOLID}[\s\S])+?(?<!`)(?P=tick)(?!`)  # code in a sentence
    | !\[[^\]\n]*\]\([^)\n]*\)  # an image
    | ^[ \t>]*(?P<display>\$\${TEX}\$\$ | \\\[{TEX}\\\]
        | \\begin\{{(?P<env>[a-zA-Z]+\*?)\}}{TEX}\\end\{{(?P=env)\}})[ \t]*$
    | (?P<inline>\$(?![\s$])(?:\\[^\n]|{SOLID}[^$`])+?(?<!\s)\$(?![\d$]) | \\\({TEX}\\\))
    | (?P<stray>\$\$(?:{TEX}\$\$)? | \\(?:begin|end|label|eqref|frac|left|right|sum)(?![a-zA-Z]))
    | \\[^a-zA-Z(\[]  # an escaped character
    """,
    re.MULTILINE | re.VERBOSE,
)
OPENS_BLOCK = re.compile(r"[ \t>]*(?:$|!!!|\?\?\?|===|#|<)")  # a line below which a block may start at once
REFERENCE = re.compile(r"\\(label|eqref)\{([^}]*)\}")
NO_BRACE = re.compile(r"%.*|\\(begin|end)(?![a-zA-Z])|\\.|[()]")

_DATA = table("math")
STYLES = re.compile("|".join(_DATA["styles"]["known"]))
MENDED = {re.compile(pattern): new for pattern, new in _DATA["mended"].items()}
LINK = re.compile("<a href=[^>]*>(.*?)</a>")  # inside <math> it cannot be reached with every screen reader
BOX = '<div class="arithmatex" tabindex="0" role="group" aria-label="Equation">'  # the arrow keys scroll it
ANNOTATION = re.compile("<annotation .*?</annotation>", re.DOTALL)
TAIL = re.compile("[.,;:!?)]*")  # browsers would begin a line with what stands right behind a formula


@dataclass
class Formula:
    """One formula of a text.

    Args:
        start, end: where its source stands in the text, delimiters included.
        at: where its TeX begins in the text.
        tex: the TeX, without delimiters and quotation marks of a block quote.
        display: stands on lines of its own.
        heading: stands in a heading, where the table of contents would show the TeX.
    """

    start: int
    end: int
    at: int
    tex: str
    display: bool
    heading: bool


def inside(match: re.Match) -> str:
    """TeX of a token, without its delimiters."""
    source = match["display"] or match["inline"]
    width = 0 if match["env"] else 1 if match["inline"] and source[0] == "$" else 2
    return source[width : len(source) - width]


def loose_brace(tex: str) -> re.Match | None:
    """The first brace that nothing closes or opens, within its environment."""
    # Comments and escapes become blanks, environments parentheses; then pairs go, from the innermost outwards.
    left = NO_BRACE.sub(lambda m: {"begin": "(", "end": ")"}.get(m[1], "").ljust(len(m[0])), tex)
    while left != (left := re.sub(r"\{[^{}()]*\}|\([^{}()]*\)", lambda m: " " * len(m[0]), left)):
        pass
    return re.search(r"\{(?=[^{}()]*\))|\}", left) or re.search(r"\{", left)


class Maths:
    """All formulas of one text, and what is wrong with them.

    Args:
        text: Markdown without front matter.
        file: the page, as errors name it.
        offset: the number of lines of the file above the text.
    """

    def __init__(self, text: str, file: str = "<text>", offset: int = 0):
        self.text, self.file, self.offset = text, file, offset
        self.faults: list[PageError] = []
        self.formulas = [formula for match in TOKEN.finditer(text) if (formula := self._read(match))]
        # Without fancy_error a message starts with the place of its fault, counted in characters.
        self._tex = LatexToMathML(macros=_DATA["macros"], annotation=True, fancy_error=False)

    def fault(self, rule: str, at: int, lines: int = 0, **words) -> None:
        """Notes that a rule of faults.toml is broken `lines` below the place `at` of the text."""
        line = self.text.count("\n", 0, at) + 1 + lines + self.offset
        self.faults.append(fault(f"maths.{rule}", self.file, line, **words))

    def _read(self, match: re.Match) -> Formula | None:
        """The formula of a token, if it is one; notes a fault of how it is set into the text."""
        if stray := match["stray"]:
            self.fault("outside", match.start("stray"), seen="$$" if stray.startswith("$") else stray)
        if not (source := match["display"] or match["inline"]):
            return None
        start, end = match.span("display" if match["display"] else "inline")
        above = self.text[self.text.rfind("\n", 0, start) + 1 : start]
        if match["display"]:
            self._check_lines(start, end)
        elif "\n" in source:
            self.fault("over-end", start)
        tex, at = inside(match), self.text.index(inside(match).lstrip(), start)
        if ">" in above:
            tex = re.sub(r"\n[ \t]*>[ \t]?", "\n", tex)
        return Formula(start, end, at, tex.strip(), bool(match["display"]), bool(re.match("[ \t>]*#", above)))

    def _check_lines(self, start: int, end: int) -> None:
        """Display maths stands between blank lines, or Markdown puts it into the paragraph next to it."""
        above, below = self.text[:start].split("\n")[-2:-1], self.text[end:].split("\n")[1:2]
        if not (all(map(OPENS_BLOCK.match, above)) and not "".join(below).strip(" \t>")):
            self.fault("beside", start)

    def mathml(self) -> list[str]:
        """MathML of every formula, in the text's order.

        Raises:
            PageError: something is wrong; its notes name the other faults of the text.
        """
        self._check_references()
        for formula in self.formulas:
            try:
                self._tex.convert_with_local_state(formula.tex, displaystyle=formula.display)
            except LatexError as error:
                self._refuse(formula, str(error))
        if not self.faults:
            done = self._tex.convert_all([(formula.tex, formula.display) for formula in self.formulas])
            html = [self._finish(*pair) for pair in zip(self.formulas, done, strict=True)]
        if self.faults:
            self.faults.sort(key=lambda fault: fault.line)
            for other in self.faults[1:]:
                self.faults[0].add_note(str(other))
            raise self.faults[0]
        return html

    def _check_references(self) -> None:
        """Every label stands once, and every reference has one: math-core lets both pass."""
        found = [(formula, match) for formula in self.formulas for match in REFERENCE.finditer(formula.tex)]
        first = {match[2]: match for _, match in reversed(found) if match[1] == "label"}
        for formula, match in found:
            name, lines = match[2], formula.tex.count("\n", 0, match.start())
            if match[1] == "eqref" and name not in first:
                self.fault("no-label", formula.at, lines, name=name)
            elif match[1] == "label" and match is not first[name]:
                self.fault("two-labels", formula.at, lines, name=name)

    def _refuse(self, formula: Formula, error: str) -> None:
        """Notes that math-core refused a formula: at a loose brace, which misleads it, or where it says."""
        place, message = error.split(": ", 1)
        if brace := loose_brace(formula.tex):
            place, message = brace.start(), FAULTS["loose"][brace[0]]
        lines = formula.tex.count("\n", 0, int(place))
        seen = formula.tex.split("\n")[lines].strip()
        advice = next(said for words, said in FAULTS["refused"].items() if words in message)
        self.fault("refused", formula.at, lines, error=message, seen=seen, advice=advice)

    def _finish(self, formula: Formula, mathml: str) -> str:
        """MathML for the page: classes for styles, browsers' faults mended, and a box that scrolls."""
        for pattern, new in MENDED.items():
            mathml = pattern.sub(new, mathml)
        mathml = re.sub(' style="([^"]*)"', lambda match: self._classes(formula, match[1]), mathml)
        if formula.heading:
            mathml = ANNOTATION.sub("", mathml)
        if REFERENCE.fullmatch(formula.tex):
            return LINK.search(mathml)[0]
        mathml = LINK.sub(r"\1", mathml)
        return f"{BOX}{mathml}</div>" if formula.display else mathml

    def _classes(self, formula: Formula, style: str) -> str:
        """A class attribute that says what a style attribute would."""
        declared = [part for part in re.sub(r"\s*([:;])\s*", r"\1", style).split(";") if part]
        for unknown in [part for part in declared if not STYLES.fullmatch(part)]:
            self.fault("style", formula.at, style=unknown)
        wanted = [part for part in declared if not part.startswith("justify")]  # it goes with text-align
        return f' class="{" ".join("m-" + re.sub("[^a-z0-9]+", "-", part).strip("-") for part in wanted)}"'


def check_math(text: str, path: Path | str) -> list[PageError]:
    """All faults in the formulas of a page, from top to bottom.

    Args:
        text: the whole file, front matter included.
        path: the file.
    """
    text, offset = text.replace("\r\n", "\n"), front_matter_lines(text)
    maths = Maths("\n".join(text.split("\n")[offset:]), show(Path(path)), offset)
    with suppress(PageError):
        maths.mathml()
    return maths.faults


class MathPreprocessor(Preprocessor):
    """Puts a placeholder for MathML in the place of each formula, and leaves every line where it was."""

    def run(self, lines: list[str]) -> list[str]:
        """The lines with placeholders.

        Raises:
            PageError: a formula cannot be typeset.
        """
        maths = Maths("\n".join(lines), *where(self.md))
        text = maths.text
        for formula, html in reversed(list(zip(maths.formulas, maths.mathml(), strict=True))):
            end = TAIL.match(text, formula.end).end() if html.startswith("<math") else formula.end
            if tail := text[formula.end : end]:
                html = f'<span class="book-kept">{html}{tail}</span>'
            placeholder = self.md.htmlStash.store(html) + "\n" * text.count("\n", formula.start, formula.end)
            text = text[: formula.start] + placeholder + text[end:]
        return text.split("\n")


class MathExtension(Extension):
    """Registers the preprocessor before everything that adds or takes away lines."""

    def extendMarkdown(self, md: Markdown) -> None:
        r"""Also makes `\$` a dollar."""
        md.ESCAPED_CHARS.append("$")
        md.preprocessors.register(MathPreprocessor(md), "bookbinder-math", 29)


makeExtension = MathExtension  # Python-Markdown looks it up by this name
