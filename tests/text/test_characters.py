"""The committed table of characters against what it is made from, and its parts."""

import importlib.util
from types import ModuleType

import numpy as np
import pytest
import regex
from support import ROOT

from pipeline.text import character_table, characters


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    path = ROOT / "examples" / "make_character_table.py"
    spec = importlib.util.spec_from_file_location("make_character_table", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_table_is_what_its_recipe_makes(recipe: ModuleType) -> None:
    # U+11DB0 came with Unicode 17: another version of `regex` has other characters.
    if not regex.match(r"\p{L}", "\U00011db0"):
        pytest.skip("regex is older than the table")
    assert recipe.UNICODE_VERSION == character_table.UNICODE_VERSION
    table = characters.properties()
    found = table.blocks[table.index].reshape(-1)
    added = characters.BULLET | characters.TERMINAL | characters.COUNTED | characters.OPENER
    assert (found & ~np.uint32(added) == recipe.properties()).all()


def test_classes_and_flags_have_the_recipes_numbers(recipe: ModuleType) -> None:
    named = [
        name.replace("_Letter", "").replace("Regional_Indicator", "Regional")
        for name in recipe.CLASSES
    ]
    assert [getattr(characters, name.upper()) for name in named] == list(range(len(named)))
    flags = ("WORD", "LETTER", "DIGIT", "SPACE", "ALONE", "MARK", "PICTURE")
    assert [getattr(characters, name) for name in flags] == [32 << n for n in range(7)]
    assert len(recipe.FLAGS) == 7


def test_white_space_is_what_python_strips() -> None:
    table = characters.properties()
    found = table.blocks[table.index].reshape(-1) & characters.SPACE
    assert np.flatnonzero(found).tolist() == [c for c in range(0x110000) if chr(c).isspace()]
