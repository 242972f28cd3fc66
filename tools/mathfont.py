"""A small math font for the book, cut from STIX Two Math and mended for browsers.

STIX Two Math comes in the wheel of `ziamath` (PyPI) under the SIL Open Font License. Characters that a text
on deep learning does not need are taken out. Outlines are moved at most, never redrawn, but for root signs:
points of theirs are moved, so that all have one width and low ones join them. The same wheel gives the same
bytes. `make font` runs `python tools/mathfont.py WHEEL FONT`.
"""

import copy
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from fontTools.feaLib.builder import addOpenTypeFeaturesFromString
from fontTools.pens.filterPen import DecomposingFilterPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Options, Subsetter, parse_unicodes, save_font
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import GlyphCoordinates
from fontTools.ttLib.tables.otTables import MathGlyphVariantRecord

FAMILY = "Course Math"
SOURCE = "ziamath/fonts/STIXTwoMath-Regular.ttf"

# Hexadecimal code points and ranges.
CHARACTERS = """
    20-7E A0 A8 AC AF-B1 B4 B5 B7 D7 F7 131 237 2C6 2C7 2C9 2D8-2DD
    300-308 30A 30C 332 338 20D6 20D7 20DB
    391-3A9 3B1-3C9 3D1 3D5 3D6 3F0 3F1 3F5
    2002 2003 2009-200B 2013 2014 2016 2018 2019 201C 201D 2026 2032-2034 2061-2064 FE00 FE01
    2102 210A-2113 2115 2118-211D 2124 212C 212F-2131 2133-2135
    1D400-1D4CF 1D538-1D56B 1D5A0-1D607 1D670-1D6A5 1D6A8-1D76F 1D7CE-1D7D7 1D7D9
    2190-2199 21A6 21A9 21AA 21C0 21D0 21D2 21D4 27F5-27FA 27FC
    2200-2213 2215-221E 2223-222E 2234 2235 223C 2243 2245 2248 224D 2250 2254 2255 225C 225D 225F-226B
    2270 2271 227A 227B 2282-228B 2293-22A5 22A7 22A8 22BB 22C0-22C3 22C5 22C6 22CA 22EE-22F1
    2308-230B 23B4-23B7 23DC-23E1 25A0 25A1 25B3 25CB 25EF 2713 27C2 27E8-27EB 29B5
    2A00-2A02 2A7D 2A7E 2A85 2AAF 2AB0
"""
ACCENTS = "300-308 30A 30C 332 20D6 20D7 20DB"
PRIMES = "2032-2034"
LINES = (0x305, 0x332)  # over and under an expression
ROOT = 0x221A
PARENTHESES, WIDEST = (0x28, 0x29), 450
RULE = 54  # as thick as a pixel in maths of 18.4 pixels
ROOTS = (0.63, 0.76, 0.88, 1, 1.28)  # heights of the low ones, the source's lowest being 1


def code_points(table: str) -> set[int]:
    """The code points that a table of hexadecimal numbers and ranges names."""
    return set(parse_unicodes(table))


def use_small_primes(font: TTFont) -> None:
    """Maps primes to the glyphs for superscripts, which Chromium does not choose by itself."""
    glyphs = font.getGlyphSet()
    for table in font["cmap"].tables:
        for code in code_points(PRIMES) & table.cmap.keys():
            small = f"{table.cmap[code]}.ssty"
            table.cmap[code] = small if small in glyphs else table.cmap[code]


def resolve(font: TTFont) -> None:
    """Gives every glyph an outline of its own, so that moving one moves no other that is built from it."""
    shapes, glyphs = font["glyf"], font.getGlyphSet()
    for name in [name for name in font.getGlyphOrder() if shapes[name].isComposite()]:
        outline = TTGlyphPen(None)
        glyphs[name].draw(DecomposingFilterPen(outline, glyphs))
        shapes[name] = outline.glyph()


def widen_accents(font: TTFont) -> set[str]:
    """Gives accents the width of their ink: Chromium centres by width, and theirs is zero.

    Returns:
        The names of all accent glyphs, wide ones included.
    """
    names, shapes, growth = font.getBestCmap(), font["glyf"], horizontal(font)
    accents = {names[code] for code in code_points(ACCENTS)}
    wider = [growth[name].MathGlyphVariantRecord for name in accents & growth.keys()]
    accents |= {variant.VariantGlyph for variants in wider for variant in variants}
    table = font["MATH"].table.MathGlyphInfo.MathTopAccentAttachment
    anchors = dict(zip(table.TopAccentCoverage.glyphs, table.TopAccentAttachment, strict=True))
    for name in accents:
        shape = shapes[name]
        left, width = shape.xMin, shape.xMax - shape.xMin
        if font["hmtx"][name][0] < 0.6 * width:
            shape.coordinates.translate((-left, 0))
            shape.recalcBounds(shapes)
            font["hmtx"][name] = (width, 0)
            if name in anchors:
                anchors[name].Value -= left
    return accents


def horizontal(font: TTFont) -> dict:
    """How each glyph grows sideways, by its name."""
    variants = font["MATH"].table.MathVariants
    return dict(zip(variants.HorizGlyphCoverage.glyphs, variants.HorizGlyphConstruction, strict=True))


def vertical(font: TTFont) -> dict:
    """How each glyph grows upwards, by its name."""
    variants = font["MATH"].table.MathVariants
    return dict(zip(variants.VertGlyphCoverage.glyphs, variants.VertGlyphConstruction, strict=True))


def move(font: TTFont, name: str, width: int, place: Callable[[int, int], tuple[float, float]]) -> None:
    """Gives a glyph another width, and each of its points another place."""
    shape = font["glyf"][name]
    shape.coordinates = GlyphCoordinates([place(x, y) for x, y in shape.coordinates])
    shape.coordinates.toInt()
    shape.recalcBounds(font["glyf"])
    font["hmtx"][name] = (width, shape.xMin)


def thin_rules(font: TTFont) -> None:
    """Makes bars of fractions and roots a pixel thick: 1.25 pixels are one here and two there in Chromium."""
    constants, shapes = font["MATH"].table.MathConstants, font["glyf"]
    growth = vertical(font)[font.getBestCmap()[ROOT]]
    barred = [record.VariantGlyph for record in growth.MathGlyphVariantRecord]
    thinner = constants.RadicalRuleThickness.Value - RULE
    for name in [*barred, growth.GlyphAssembly.PartRecords[-1].glyph]:
        top = shapes[name].yMax
        under = range(top - thinner - RULE, top)
        move(font, name, font["hmtx"][name][0], lambda x, y, under=under: (x, y + thinner * (y in under)))
    constants.RadicalRuleThickness.Value = constants.FractionRuleThickness.Value = RULE


def narrow_roots(font: TTFont) -> None:
    """Makes tall roots as wide as the lowest: Chromium keeps the room of the widest behind every root.

    Their stroke becomes steeper and no thinner: its upper end moves, together with where the bar begins.
    """
    lowest, shapes = font.getBestCmap()[ROOT], font["glyf"]
    growth, (width, _) = vertical(font)[lowest], font["hmtx"][lowest]
    for name in [record.VariantGlyph for record in growth.MathGlyphVariantRecord]:
        left, edge = font["hmtx"][name][0] - width, shapes[name].yMax - RULE
        move(font, name, width, lambda x, y, left=left, edge=edge: (x - left * (y >= edge), y))
    parts = [part.glyph for part in growth.GlyphAssembly.PartRecords]  # hook, stroke, bar
    stroke, end = shapes[parts[1]].xMax, shapes[lowest].xMax
    step = width - stroke
    for name in parts:
        move(font, name, width, lambda x, y: (end if x > stroke else x + step * (2 * x > stroke), y))


def add_low_roots(font: TTFont) -> None:
    """Adds low roots: Chromium hangs a root from its bar, so that one too tall reaches far below the line."""
    lowest, shapes = font.getBestCmap()[ROOT], font["glyf"]
    growth, (width, _), source = vertical(font)[lowest], font["hmtx"][lowest], shapes[lowest]
    edge = source.yMax - RULE
    names, records = [lowest, *(f"root.{size}" for size in ROOTS[1:])], []
    font.setGlyphOrder([*font.getGlyphOrder(), *names[1:]])
    for name, size in zip(names, ROOTS, strict=True):
        shapes[name] = copy.deepcopy(source)
        step = source.yMax * (size - 1)  # the bar keeps its thickness
        move(font, name, width, lambda x, y, s=size, step=step: (x, y + step if y >= edge else y * s))
        records.append(MathGlyphVariantRecord())
        records[-1].VariantGlyph = name
        records[-1].AdvanceMeasurement = shapes[name].yMax - shapes[name].yMin + 1
    growth.MathGlyphVariantRecord[:1] = records
    growth.VariantCount = len(growth.MathGlyphVariantRecord)


def narrow_parentheses(font: TTFont) -> None:
    """Builds tall parentheses of parts: Chromium gives all, low ones too, the room of the widest in one piece."""
    for code in PARENTHESES:
        growth = vertical(font)[font.getBestCmap()[code]]
        records = growth.MathGlyphVariantRecord
        records[:] = [record for record in records if font["hmtx"][record.VariantGlyph][0] <= WIDEST]
        growth.VariantCount = len(records)
        for part in growth.GlyphAssembly.PartRecords:
            left = (font["hmtx"][part.glyph][0] - WIDEST) // 2
            move(font, part.glyph, WIDEST, lambda x, y, left=left: (x - left, y))


def level_scripts(font: TTFont) -> None:
    """Sets scripts of y and of a parenthesis on a line with those of x: browsers go by the height of the base."""
    constants = font["MATH"].table.MathConstants
    constants.SubscriptBaselineDropMin.Value = 20
    constants.SuperscriptBaselineDropMax.Value = 386  # as in TeX


def mend_growth(font: TTFont) -> None:
    """Lets lines take any length, and swaps arrowheads' connectors that Chromium refuses as they are."""
    growth, names = horizontal(font), font.getBestCmap()
    for code in LINES:  # five coarse lengths hide the assembly that fits
        construction = growth[names[code]]
        construction.MathGlyphVariantRecord = construction.MathGlyphVariantRecord[:1]
        construction.VariantCount = 1
    for construction in growth.values():
        head = construction.GlyphAssembly and construction.GlyphAssembly.PartRecords[-1]
        if head and not head.PartFlags & 1 and head.StartConnectorLength == 0:
            head.StartConnectorLength, head.EndConnectorLength = head.EndConnectorLength, 0


def call_letters(font: TTFont, names: set[str]) -> None:
    """Classes glyphs as letters, or text shaping takes the width of an accent away again."""
    classes = f"table GDEF {{ GlyphClassDef [{' '.join(sorted(names))}], , , ; }} GDEF;"
    addOpenTypeFeaturesFromString(font, classes, tables=["GDEF"])


def build(wheel: Path, target: Path) -> None:
    """Writes the font as woff2.

    Args:
        wheel: a wheel of ziamath.
        target: the file to write.
    """
    options = Options(hinting=False, layout_features=["ccmp", "dtls", "flac"], flavor="woff2")
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.drop_tables += ["DSIG", "GPOS", "GDEF"]
    font = TTFont(io.BytesIO(zipfile.ZipFile(wheel).read(SOURCE)), recalcTimestamp=False)
    use_small_primes(font)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=code_points(CHARACTERS))
    subsetter.subset(font)
    resolve(font)
    call_letters(font, widen_accents(font))
    mend_growth(font)
    thin_rules(font)
    narrow_roots(font)
    add_low_roots(font)
    narrow_parentheses(font)
    level_scripts(font)
    for record in font["name"].names:  # a changed font goes by a name of its own
        if record.nameID in (1, 3, 4, 6):
            record.string = FAMILY.replace(" ", "") if record.nameID == 6 else FAMILY
    save_font(font, str(target), options)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
