"""Frames: what the blocks under a comment `play` put out, cut into one frame for each setting of their knobs.

A figure is a frame, titled by its title; so is a text printed below a line of three dashes and a title. Where a block
does both, its first text belongs to its first figure, and so on. Outputs themselves stay as the run left them: a page
shows a film, a notebook all of them one after another.
"""

import re
from dataclasses import dataclass, field

from bookbinder.chapter import Chapter

MAX_FRAMES = 30
_TITLE = re.compile(r"^--- +(\S.*?) *$", re.M)


class NoFilm(Exception):
    """Why outputs make no film: a rule of faults.toml, and the words of its message."""

    def __init__(self, rule: str, **words):
        super().__init__(rule, words)
        self.rule, self.words = rule, words


@dataclass
class Frame:
    """What is shown at a time, under its title; `figure` and `text` are outputs of the run."""

    title: str
    figure: dict | None = None
    text: dict | None = None


@dataclass
class Film:
    """Frames with their knobs, each a name and its values; the values of the last knob change fastest."""

    knobs: list[tuple[str, list[str]]]
    frames: list[Frame] = field(default_factory=list)


def below(chapter: Chapter, slots: list[dict]) -> list[tuple[list[dict], Film | None]]:
    """What stands below each block of a page: outputs, and the film that ends with it.

    Args:
        chapter: The page.
        slots: What its blocks put out; outputs that make no film, as those of a run that failed, are shown as they are.
    """
    found: list[tuple[list[dict], Film | None]] = [(slot["outputs"], None) for slot in slots]
    for blocks in chapter.films():
        try:
            film = shot(chapter, slots, blocks)
        except NoFilm:
            continue
        for at in blocks:
            found[at] = _cut(slots[at]["outputs"])[0], film if at == blocks[-1] else None
    return found


def problem(chapter: Chapter, slots: list[dict], at: int) -> tuple[str, dict] | None:
    """The rule that the film ending with block number `at` breaks, if there is one, and the words that say so."""
    for blocks in chapter.films():
        if blocks[-1] == at:
            try:
                shot(chapter, slots, blocks)
            except NoFilm as error:
                return error.rule, error.words
    return None


def shot(chapter: Chapter, slots: list[dict], blocks: list[int]) -> Film:
    """Film of some blocks of a page.

    Raises:
        NoFilm: what they put out makes none.
    """
    frames: list[Frame] = []
    for at in blocks:
        added = _cut(slots[at]["outputs"])[1]
        if not added:
            raise NoFilm("frames", count="no frame of the block" if len(blocks) > 1 else "no frame")
        frames += added
    names = chapter.blocks[blocks[0]].knobs
    if not 2 <= len(frames) <= MAX_FRAMES:
        rule = "frames" if len(frames) < 2 else "frames-many"
        raise NoFilm(rule, count="one frame" if len(frames) < 2 else len(frames), most=MAX_FRAMES)
    if len(names) > 1:
        return _grid(names, frames)
    titles = [frame.title for frame in frames]
    for title in titles:
        if titles.count(title) > 1:
            raise NoFilm("frames-twice", what=title)
    return Film([(names[0], titles)], frames)


def _cut(outputs: list[dict]) -> tuple[list[dict], list[Frame]]:
    """Outputs of a block that stand above its frames, and the frames."""
    rest, texts, figures = [], [], []
    for output in outputs:
        if output["kind"] == "figure":
            figures.append(Frame(output["alt"], figure=output))
        elif output["kind"] == "stdout":
            first, *more = _TITLE.split(output["text"])
            pieces = zip(more[::2], more[1::2], strict=True)
            texts += [Frame(t, text={"kind": "stdout", "text": said.strip("\n")}) for t, said in pieces]
            rest += [{**output, "text": first}] if first.strip() else []
        else:
            rest.append(output)
    if texts and figures and len(texts) != len(figures):
        raise NoFilm("frames-mixed", texts=len(texts), figures=len(figures))
    for frame, drawn in zip(texts, figures, strict=False):
        frame.figure = drawn.figure
    return rest, texts or figures


def _grid(names: tuple[str, ...], frames: list[Frame]) -> Film:
    """Film of two knobs: a frame for each value of one with each of the other, found by what their titles tell."""
    placed: dict[tuple[str, ...], Frame] = {}
    for frame in frames:
        place = tuple(_value(frame.title, name, names) for name in names)
        if place in placed:
            raise NoFilm("frames-twice", what=_said(names, place))
        placed[place] = frame
    knobs = [(name, [*dict.fromkeys(place[n] for place in placed)]) for n, name in enumerate(names)]
    for name, values in knobs:
        if len(values) == 1:
            raise NoFilm("frames-one", knob=name, value=values[0])
    film = Film(knobs)
    for place in ((a, b) for a in knobs[0][1] for b in knobs[1][1]):
        if place not in placed:
            raise NoFilm("frames-gap", what=_said(names, place))
        film.frames.append(placed[place])
    return film


def _value(title: str, name: str, names: tuple[str, ...]) -> str:
    """What a title tells of a knob: what stands behind its name, up to a comma, colon or semicolon."""
    pattern = rf"(?<!\w){re.escape(name)}(?:\s*=\s*|\s+)(\S.*?)(?=[,;:](?:\s|$)|$)"
    if not (match := re.search(pattern, title, re.I)):
        raise NoFilm("frames-value", title=title, knob=name, form=_said(names, ("…",) * len(names)))
    return match[1].strip()


def _said(names: tuple[str, ...], place: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, place, strict=True))
