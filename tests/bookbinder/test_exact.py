"""How printed numbers are compared."""

import math

import pytest

from bookbinder import exact


@pytest.mark.parametrize(
    "one, other, least, most",
    [
        ("a 1 b", "a 1 b", 0, 0),
        ("a 1.0000 b", "a 1.0001 b", 9e-5, 1.1e-4),
        ("[ 0.5]", "[-0.5]", math.inf, math.inf),
        ("[ 5.000 1]", "[5.001 1]", 1e-4, 3e-4),
        ("12%", "13%", math.inf, math.inf),
        ("gap 3e-16", "gap 5e-17", 1e-17, 1e-15),
        ("gap 3e-05", "gap 5e-05", math.inf, math.inf),
        ("1,234,567", "1,234,568", 8e-7, 9e-7),
        ("loss 1", "cost 1", math.inf, math.inf),
        ("float32 1", "float64 1", math.inf, math.inf),
        ("nan", "0.5", math.inf, math.inf),
    ],
)
def test_texts_are_compared_by_their_numbers(one, other, least, most):
    assert least <= exact.compared(one, other) <= most


def test_a_record_keeps_what_differs_and_forgets_what_has_changed():
    first = {"a": "1", "b": "2"}
    record = {"blocks": exact.short({"a": "1", "b": "2.5", "c": "3"}, first)}
    differ = lambda key, texts: exact.difference(record, {"blocks": texts}, key)
    assert differ("a", first) == 0 and differ("b", first) == math.inf and differ("c", first) is None
    assert differ("a", {"a": "1.1"}) is None
