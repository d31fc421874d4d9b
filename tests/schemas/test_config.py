import json
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from schemas.config import Config, Source

GOLDEN = Path(__file__).parent.parent / "golden" / "config.schema.json"


def _config(**changes: JsonValue) -> Config:
    data: dict[str, JsonValue] = {"workspace": "work", "sources": [{"name": "web", "path": "x"}]}
    return Config.model_validate_json(json.dumps({**data, **changes}))


def test_the_surface_of_the_configuration_is_frozen(request: pytest.FixtureRequest) -> None:
    schema = json.dumps(Config.model_json_schema(), indent=1, sort_keys=True) + "\n"
    if request.config.getoption("--update-golden", default=False):
        GOLDEN.write_text(schema, encoding="utf-8")
    assert schema == GOLDEN.read_text(encoding="utf-8")


def test_defaults_are_those_of_the_documentation() -> None:
    config = _config()
    assert (config.seed, config.max_rejects) == (0, 0.05)
    assert (config.max_document_bytes, config.part_bytes) == (20_000_000, 512_000_000)
    assert (config.stages, config.mixtures) == ((), ())


def test_a_configuration_survives_being_written_and_read() -> None:
    config = _config(
        stages=[{"signals": {}}, {"tokens": {"name": "other", "where": "a", "tokenizer": "t"}}],
        mixtures=[{"name": "m", "tokens": 5, "tokenizer": "t", "sampler": {"method": "x", "t": 1}}],
    )
    again = Config.model_validate_json(config.model_dump_json())
    assert again == config
    assert json.loads(config.model_dump_json())["stages"][1] == {
        "tokens": {"name": "other", "where": "a", "tokenizer": "t"}
    }


def test_mapped_columns_have_a_type_and_leave_out_the_documents_own() -> None:
    columns: JsonValue = {
        "text": "body",
        "url": "link",
        "date": "when",
        "license": "l",
        "stars": {"key": "rating", "type": "int"},
    }
    source = _config(sources=[{"name": "a", "path": ["x", "y"], "columns": columns}]).sources[0]
    assert source.mapped == {"date": "timestamp", "license": "string", "stars": "int"}
    assert source.path == ("x", "y")


def test_the_frame_can_not_be_changed() -> None:
    for name in Config.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(_config(), name, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": True},
        {"seed": "1"},
        {"seed": 1.5},
        {"sources": []},
        {"sources": [{"name": "../up", "path": "x"}]},
        {"max_rejects": 1.5},
        {"stages": [{"signals": {}}, {"signals": {}}]},
        {"mixtures": [{"name": "m", "tokens": 0, "tokenizer": "shipped"}]},
        {"mixtures": [{"name": "m", "shortfall": "repeat"}]},
    ],
)
def test_nonsense_is_refused(changes: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        _config(**changes)


def test_a_source_is_as_strict_as_the_whole() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Source.model_validate_json('{"name": "a", "path": "x", "pth": "y"}')
