"""The committed math font: what it holds, what was mended, and that its licence is right."""

import html
import importlib.util
import re
import unicodedata
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("brotli", reason="woff2 is compressed by brotli")
from fontTools.ttLib import TTFont

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/assets/fonts"
spec = importlib.util.spec_from_file_location("mathfont", ROOT / "tools/mathfont.py")
mathfont = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mathfont)
CSS = ROOT / "docs/assets/css/math.css"
GOLDEN = Path(__file__).with_name("math_golden.txt")


@pytest.fixture(scope="module")
def font():
    return TTFont(FOLDER / "course-math.woff2")


def test_every_character_of_the_golden_formulas_has_a_glyph(font):
    text = html.unescape(re.sub("<[^>]*>", "", "".join(GOLDEN.read_text(encoding="utf-8").split("\n")[2::3])))
    assert (
        not {f"{ord(letter):x}" for letter in text} - {f"{code:x}" for code in font.getBestCmap()} - {"fe00"}
    )


def test_holds_what_the_table_names_and_stays_small(font):
    named = {code for code in mathfont.code_points(mathfont.CHARACTERS) if unicodedata.name(chr(code), "")}
    assert named - set(font.getBestCmap()) == {0xFE00, 0xFE01}  # these choose between glyphs
    assert (FOLDER / "course-math.woff2").stat().st_size < 90_000


def test_accents_are_as_wide_as_their_ink(font):
    for code in mathfont.code_points(mathfont.ACCENTS):
        name = font.getBestCmap()[code]
        shape = font["glyf"][name]
        assert font["hmtx"][name] == (shape.xMax - shape.xMin, 0) and shape.xMin == 0, hex(code)
        assert font["GDEF"].table.GlyphClassDef.classDefs[name] == 1


def test_spacing_accents_kept_their_place(font):
    for code in (0x2D9, 0xA8, 0x2DA):  # in the source these are built from accents that moved
        name = font.getBestCmap()[code]
        assert 0 <= font["glyf"][name].xMin == font["hmtx"][name][1]
        assert font["glyf"][name].xMax <= font["hmtx"][name][0]


def test_lines_and_arrows_can_grow(font):
    growth = mathfont.horizontal(font)
    for code in mathfont.LINES:
        construction = growth[font.getBestCmap()[code]]
        assert construction.VariantCount == 1 and construction.GlyphAssembly
    first, *_, last = growth[font.getBestCmap()[0x2192]].GlyphAssembly.PartRecords
    assert first.EndConnectorLength and last.StartConnectorLength and not last.EndConnectorLength


def test_roots_are_of_one_width_and_fit_what_is_below(font):
    """Chromium keeps the room of the widest behind every root, and hangs a root from its bar."""
    name = font.getBestCmap()[mathfont.ROOT]
    growth, shapes = mathfont.vertical(font)[name], font["glyf"]
    sizes = [record.VariantGlyph for record in growth.MathGlyphVariantRecord]
    parts = [part.glyph for part in growth.GlyphAssembly.PartRecords]
    assert sizes[0] == name and len({font["hmtx"][glyph][0] for glyph in sizes + parts}) == 1
    heights = [shapes[glyph].yMax - shapes[glyph].yMin for glyph in sizes]
    assert heights == sorted(heights) and heights[0] < 800 < 1180 < heights[3] < 1200
    assert all(1.1 < tall / low < 1.3 for low, tall in zip(heights, heights[1:], strict=False))
    for glyph in [*sizes, parts[-1]]:
        bar = {y for _, y in shapes[glyph].coordinates if y > shapes[glyph].yMax - 100}
        assert max(bar) - min(bar) == mathfont.RULE


def test_bars_are_one_pixel_thick(font):
    """Of 1.25 pixels Chromium makes one here and two there."""
    constants = font["MATH"].table.MathConstants
    rules = [constants.FractionRuleThickness.Value, constants.RadicalRuleThickness.Value]
    size = 16 * float(re.search(r"font-size: ([\d.]+)em", CSS.read_text(encoding="utf-8"))[1])
    assert rules == [mathfont.RULE] * 2 and 0.95 < mathfont.RULE * size / 1000 <= 1


def test_parentheses_of_all_heights_want_the_same_room(font):
    growth = mathfont.vertical(font)
    for construction in [growth[font.getBestCmap()[code]] for code in mathfont.PARENTHESES]:
        sizes = [record.VariantGlyph for record in construction.MathGlyphVariantRecord]
        parts = [part.glyph for part in construction.GlyphAssembly.PartRecords]
        assert len(sizes) == 5 and {font["hmtx"][part][0] for part in parts} == {mathfont.WIDEST}
        assert max(font["hmtx"][size][0] for size in sizes) <= mathfont.WIDEST
        assert all(0 < font["glyf"][part].xMin < font["glyf"][part].xMax < mathfont.WIDEST for part in parts)


def test_scripts_stand_on_one_line(font):
    """A lower script of y stands where that of x does, within 0.05 em; an upper one of ) where that of x does."""
    constants, names, shapes = font["MATH"].table.MathConstants, font.getBestCmap(), font["glyf"]
    y, fence = shapes[names[0x1D466]], shapes[names[0x29]]
    lower = constants.SubscriptBaselineDropMin.Value - y.yMin
    upper = fence.yMax - constants.SuperscriptBaselineDropMax.Value
    assert lower - constants.SubscriptShiftDown.Value < 50 and upper <= constants.SuperscriptShiftUp.Value


def test_licence_and_name(font):
    names = {record.nameID: str(record) for record in font["name"].names}
    assert names[1] == names[4] == mathfont.FAMILY and "Open Font License" in names[13]
    licence = (FOLDER / "OFL.txt").read_text(encoding="utf-8")
    assert licence.splitlines()[0] == names[0]
    for heading in ("PREAMBLE", "DEFINITIONS", "PERMISSION & CONDITIONS", "TERMINATION", "DISCLAIMER"):
        assert f"\n{heading}\n" in licence


def test_same_source_same_bytes(font, tmp_path):
    """The committed font stands in for its source."""
    with zipfile.ZipFile(tmp_path / "some.whl", "w") as wheel:
        wheel.write(FOLDER / "course-math.woff2", mathfont.SOURCE)
    built = [tmp_path / "one.woff2", tmp_path / "two.woff2"]
    for target in built:
        mathfont.build(tmp_path / "some.whl", target)
    assert built[0].read_bytes() == built[1].read_bytes()
    assert TTFont(built[0])["head"].modified == font["head"].modified  # the source's date, not the clock's


def test_code_points():
    assert mathfont.code_points("20-22 1D7D9\n A0") == {0x20, 0x21, 0x22, 0x1D7D9, 0xA0}
