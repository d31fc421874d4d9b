import json
from pathlib import Path

import jsonschema
import pytest

from schemas.manifest import MANIFEST_SCHEMA

GOLDEN = Path(__file__).parents[1] / "golden" / "manifest.schema.json"


def test_the_schema_of_the_manifest_is_what_trainers_know(request: pytest.FixtureRequest) -> None:
    found = json.dumps(MANIFEST_SCHEMA, indent=1) + "\n"
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(MANIFEST_SCHEMA)
