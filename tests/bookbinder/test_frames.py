"""Frames: what the blocks under play put out, cut and put in order, and every way in which that can fail."""

import pytest

from bookbinder import frames
from bookbinder.chapter import parse

BLOCK = "```python\nx = 1\n```\n\nText.\n\n"


def page(*plays: str):
    """A page with a block below each comment; none where that is empty."""
    body = "".join(f"<!-- {play} -->\n{BLOCK}" if play else BLOCK for play in plays)
    chapter = parse(body, front_matter=False)
    assert chapter.faults == []
    return chapter


def printed(text: str) -> dict:
    return {"kind": "stdout", "text": text}


def drawn(title: str) -> dict:
    return {"kind": "figure", "alt": title}


def slots(*blocks: list[dict]) -> list[dict]:
    return [{"outputs": list(outputs)} for outputs in blocks]


def film(play: str, *outputs: dict) -> frames.Film:
    return frames.shot(page(f"play: {play}"), slots(outputs), [0])


def titles(shot: frames.Film) -> list[str]:
    return [frame.title for frame in shot.frames]


def test_texts_are_cut_at_their_titles():
    chapter = page("play: step")
    said = printed("before\n--- at 0\n\n  a\n--- b\n---\n---c\n--- at 9  \n")
    warned = {"kind": "stderr", "text": "w"}
    ((rest, shot),) = frames.below(chapter, slots([said, warned]))
    assert rest == [printed("before\n"), warned]
    assert shot.knobs == [("step", ["at 0", "b", "at 9"])]
    assert [frame.text["text"] for frame in shot.frames] == ["  a", "---\n---c", ""]
    assert said["text"].startswith("before\n---"), "the notebook shows what was printed"


def test_each_figure_is_a_frame():
    shot = film("step", printed("loss 1\n"), drawn("A"), drawn("B"))
    assert shot.knobs == [("step", ["A", "B"])] and [frame.figure["alt"] for frame in shot.frames] == [
        "A",
        "B",
    ]


def test_a_text_belongs_to_the_figure_of_its_place():
    shot = film("step", printed("--- one\n1\n--- two\n2\n"), drawn("A"), drawn("B"))
    got = [(frame.title, frame.figure["alt"], frame.text["text"]) for frame in shot.frames]
    assert got == [("one", "A", "1"), ("two", "B", "2")]


def test_blocks_that_go_on_share_one_film_below_the_last():
    chapter = page("play: step", "", "play: cont", "play: lr")
    first, last = [printed("a\n--- 0\n")], [printed("--- 1\n"), drawn("C")]
    other = [drawn("A"), drawn("B")]
    assert chapter.films() == [[0, 2], [3]] and chapter.blocks[2].knobs == ("step",)
    got = frames.below(chapter, slots(first, [printed("b\n")], last, other))
    assert [rest for rest, _ in got] == [[printed("a\n")], [printed("b\n")], [], []]
    assert [titles(shot) if shot else None for _, shot in got] == [None, None, ["0", "1"], ["A", "B"]]
    assert got[2][1].frames[1].figure == drawn("C")


def test_a_film_is_judged_where_it_ends():
    chapter = page("play: step", "play: cont")
    put_out = slots([printed("--- 0\n")], [])
    assert frames.problem(chapter, put_out, 0) is None
    assert frames.problem(chapter, put_out, 1)[0] == "frames"
    assert frames.below(chapter, put_out)[0] == (put_out[0]["outputs"], None), (
        "a film that fails is shown as it is"
    )


def test_two_knobs_make_a_grid_in_the_order_of_their_values():
    told = ["Momentum 0.9, learning rate = 1e-3: lost", "learning rate 0.1; momentum 0.9"]
    told += ["learning rate 1e-3, momentum 0", "The learning rate 0.1, momentum 0"]
    shot = film("learning rate, momentum", *map(drawn, told))
    assert shot.knobs == [("learning rate", ["1e-3", "0.1"]), ("momentum", ["0.9", "0"])]
    assert titles(shot) == [told[0], told[2], told[1], told[3]]


def test_a_name_inside_another_word_is_no_knob():
    assert frames._value("stepsize 3, step 4", "step", ("step",)) == "4"


@pytest.mark.parametrize(
    ("play", "outputs", "rule", "words"),
    [
        ("step", [], "frames", {"count": "no frame"}),
        ("step", [printed("a\n--\n")], "frames", {"count": "no frame"}),
        ("step", [drawn("A")], "frames", {"count": "one frame"}),
        ("step", [printed("--- a\n--- b\n"), drawn("A")], "frames-mixed", {"texts": 2, "figures": 1}),
        ("step", [drawn(str(n)) for n in range(31)], "frames-many", {"count": 31, "most": 30}),
        ("step", [drawn("A"), drawn("A")], "frames-twice", {"what": "A"}),
        ("a, b", [drawn("a 1, b 1"), drawn("a 1, b 1")], "frames-twice", {"what": "a 1, b 1"}),
        ("a, b", [drawn("a 1, b 1"), drawn("a 2")], "frames-value", {"knob": "b", "title": "a 2"}),
        ("a, b", [drawn("a 1, b 1"), drawn("a 2, b 1")], "frames-one", {"knob": "b", "value": "1"}),
        ("a, b", [drawn(f"a {x}, b {y}") for x, y in ("11", "12", "21")], "frames-gap", {"what": "a 2, b 2"}),
    ],
)
def test_what_makes_no_film_says_why(play, outputs, rule, words):
    got, said = frames.problem(page(f"play: {play}"), slots(outputs), 0)
    assert got == rule and said.items() >= words.items()


def test_thirty_frames_are_allowed():
    assert len(film("step", *(drawn(str(n)) for n in range(30))).frames) == 30
