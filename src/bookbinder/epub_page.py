"""Pages of the built site as pages of an e-book: the article alone, as XML, with nothing that needs a script.

A built page is HTML for a browser with the theme around it. An e-book reader wants XML, shows one page after the other,
and may neither run scripts nor know the theme. So the article is taken out, what only a site can do goes, and what
stays is brought into the form that EPUB 3 allows. The solutions of exercises leave their page, for one at the end of
the book.
"""

import posixpath
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Comment, Tag

from bookbinder.page import ELSEWHERE, table

WORDS = table("epub")
SOLUTIONS = "solutions.xhtml"
_NAMESPACES = {"math": "http://www.w3.org/1998/Math/MathML", "svg": "http://www.w3.org/2000/svg"}
_BLOCKS = re.compile(
    "div|p|ul|ol|dl|pre|table|section|figure|details|blockquote|h[1-6]|hr"
)  # none in a paragraph

_SCRIPTS = ["msub", "msup", "msubsup", "munder", "mover", "munderover", "mfrac"]


@dataclass
class EbookPage:
    """A page of the book, as the e-book has it.

    Args:
        address: of its folder from the root of the site, such as `depth/signals/`; empty for the home page.
        title: as the menu has it.
        article: what it holds.
        name: of its file.
        answers: the solutions of its exercises, a part of the last page.
    """

    address: str
    title: str
    article: Tag
    name: str
    answers: "EbookPage | None" = None
    ids: set[str] = field(default_factory=set)
    headings: list[tuple[str, str]] = field(default_factory=list)

    def note(self) -> None:
        """Keep what others look up: its anchors, and its sections for the table of contents."""
        self.ids = {tag["id"] for tag in self.article.find_all(id=True)}
        sections = self.article.find_all("h2", id=True)
        self.headings = [(tag["id"], " ".join(tag.get_text().split())) for tag in sections]


def page(html: str, address: str, title: str) -> EbookPage:
    """A built page as a page of the e-book; its links still lead where they led on the site.

    Args:
        html: the built page.
        address: of its folder from the root of the site.
        title: as the menu has it.
    """
    soup = BeautifulSoup(html, "html.parser")
    article = soup.new_tag("section")
    article.extend(list(soup.find("article").contents))
    made = EbookPage(address, title, article, f"{address.strip('/') or 'index'}.xhtml")
    for comment in article.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for tag in article.select(WORDS["left_out"]):
        tag.decompose()
    for film in article.select(
        ".book-film"
    ):  # a reader without a slider sees where it begins and where it ends
        for frame in film.select(".book-frame")[1:-1]:
            frame.decompose()
    for tabs in article.select(".tabbed-set"):
        _untab(tabs, soup)
    for wide in article.find_all("table"):
        wide.wrap(soup.new_tag("div", attrs={"class": "book-wide"}))
    for paragraph in article.find_all("p"):
        if paragraph.find(_BLOCKS):
            paragraph.unwrap()
        elif not paragraph.get_text(strip=True) and not paragraph.find(True):
            paragraph.decompose()
    for tag in article.find_all(True):
        _attributes(tag)
    for tag in article.select("mfrac[displaystyle], mtable[scriptlevel]"):
        _styled(tag, soup)
    made.answers = _answers(made, soup)
    for part in filter(None, (made, made.answers)):
        part.note()
    return made


def _untab(tabs: Tag, soup: BeautifulSoup) -> None:
    """Tabs one below the other, each under its name."""
    names = [label.get_text() for label in tabs.select(".tabbed-labels label")]
    for tag in tabs.select("input, .tabbed-labels"):
        tag.decompose()
    for name, block in zip(names, tabs.select(".tabbed-block"), strict=True):
        head = soup.new_tag("p", attrs={"class": "book-tab"}, string=name)
        block.insert(0, head)


def _answers(made: EbookPage, soup: BeautifulSoup) -> EbookPage | None:
    """The solutions, which leave the exercises; a link stays in the place of each, and one leads back."""
    mark = re.sub(r"\W+", "-", f"solutions-{made.address.strip('/')}")
    section = soup.new_tag("section", id=mark)
    section.append(soup.new_tag("h2", string=made.title))
    for exercise in made.article.select(".exercise[id]"):
        for number, solution in enumerate(exercise.select("details.success")):
            anchor = f"{mark}-{exercise['id']}{f'-{number + 1}' * bool(number)}"
            title = exercise.find(class_="admonition-title").get_text().strip()
            there = _link(soup, f"{_up(made.name)}{SOLUTIONS}#{anchor}", WORDS["solution"])
            back = _link(soup, f"{made.name}#{exercise['id']}", WORDS["back"])
            solution.replace_with(there)
            solution.summary.decompose()
            section.extend([soup.new_tag("h3", id=anchor, string=title), *solution.contents, back])
    return EbookPage(made.address, made.title, section, SOLUTIONS) if section.find("h3") else None


def _link(soup: BeautifulSoup, to: str, text: str) -> Tag:
    """A paragraph with a link of the e-book's own."""
    paragraph = soup.new_tag("p", attrs={"class": "book-there"})
    paragraph.append(soup.new_tag("a", href=to, attrs={"data-done": ""}, string=text))
    return paragraph


def _up(name: str) -> str:
    """The way from a file to the root of the e-book."""
    return "../" * name.count("/")


def _attributes(tag: Tag) -> None:
    """Only the attributes that mean something in an e-book."""
    out = set(WORDS["attributes_out"])
    if tag.name in ("pre", "div"):  # they had a name because they could be reached by keyboard
        out |= {"role", "aria-label"}
    for name in [*tag.attrs]:
        if name in out or name.startswith("data-") and name != "data-done":
            del tag[name]
    if tag.name in _NAMESPACES:
        tag["xmlns"] = _NAMESPACES[tag.name]
    if tag.name == "math" and (tex := tag.find("annotation")):
        tag["alttext"] = tex.get_text()  # for readers that do not know MathML


def _styled(tag: Tag, soup: BeautifulSoup) -> None:
    """What MathML Core says on any element, as MathML 3, EPUB's, says it: on an mstyle around it.

    A table of whole lines is of level 0 as it is, and would not fill its line inside an mstyle.
    """
    name = "displaystyle" if tag.name == "mfrac" else "scriptlevel"
    said = {name: tag.attrs.pop(name)}
    if name == "displaystyle" or tag.find_parent(_SCRIPTS):
        tag.wrap(soup.new_tag("mstyle", attrs=said))


def finish(made: EbookPage, book: dict[str, EbookPage], site_url: str) -> list[str]:
    """Lead the links of a page to the files of the e-book, and say which images it shows, from the root of the site.

    Args:
        made: the page, changed in place.
        book: all pages that the e-book has, by their address.
        site_url: where links lead to that the e-book does not have; without it they become text.
    """
    images = []
    for tag in made.article.find_all("a", href=True):
        if "data-done" in tag.attrs:
            del tag["data-done"]
        elif to := target(tag["href"], made, book, site_url):
            tag["href"] = to
        else:
            tag.unwrap()
    for image in made.article.find_all("img"):
        images.append(_joined(made.address, urlsplit(image["src"]).path))
        image["src"] = _up(made.name) + images[-1]
    return images


def target(href: str, made: EbookPage, book: dict[str, EbookPage], site_url: str) -> str:
    """Where a link of a page leads in the e-book; nothing where it leads nowhere.

    Args:
        href: the link as the site has it.
        made: the page that it stands on.
        book: all pages of the e-book, by their address.
        site_url: the address of the site, with or without a stroke at its end.
    """
    if ELSEWHERE.match(href):
        return href
    parts = urlsplit(href)
    path = _joined(made.address, parts.path) if parts.path else made.address.strip("/")
    page, anchor = book.get(f"{path}/".lstrip("/")), unquote(parts.fragment)
    if not page:
        stroke = "/" * (parts.path.endswith("/") and bool(path))
        return (
            f"{site_url.rstrip('/')}/{path}{stroke}{'#' * bool(anchor)}{parts.fragment}" if site_url else ""
        )
    if page.answers and anchor not in page.ids and anchor in page.answers.ids:
        page = page.answers
    kept = f"#{parts.fragment}" if anchor in page.ids else ""
    if page.name == made.name:
        return kept or posixpath.basename(page.name)
    return posixpath.relpath(page.name, posixpath.dirname(made.name) or ".") + kept


def _joined(folder: str, path: str) -> str:
    """A path of a page from the root of the site."""
    joined = posixpath.normpath(posixpath.join(folder, unquote(path)))
    return "" if joined == "." else joined
