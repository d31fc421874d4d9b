import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from jobs.settings import Settings, nearest, read_settings
from schemas.errors import ConfigurationError

FILE = """\
workspace: ./work
sources:
  - name: web
    path: a
  - {name: books, path: b}
stages:
  - signals:
  - tokens: {name: other}
mixtures:
  - name: main
    tokens: 2_000_000
"""

# JSON is YAML but for what YAML's reader refuses (DEL) and for escaped pairs of surrogates.
words = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"], exclude_characters="$\x7f"),
    max_size=8,
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


def _settings(text: str = FILE, environment: Mapping[str, str] | None = None) -> Settings:
    settings = Settings("corpus.yaml", environment or {})
    settings.data = settings.parse(text)
    return settings


@given(values)
def test_any_value_survives_being_set(value: JsonValue) -> None:
    settings = _settings()
    settings.override(f"mixtures.main.extra.deep={json.dumps(value)}")
    expected = {"name": "main", "tokens": 2_000_000, "extra": {"deep": value}}
    assert isinstance(settings.data, dict)
    assert repr(settings.data["mixtures"]) == repr([expected])


@given(st.sampled_from(["sources.books.path", "sources.1.path"]), words)
def test_list_items_have_names_and_positions(key: str, value: str) -> None:
    settings = _settings()
    settings.override(f"{key}={json.dumps(value)}")
    assert isinstance(settings.data, dict)
    assert settings.data["sources"] == [
        {"name": "web", "path": "a"},
        {"name": "books", "path": value},
    ]


def test_stages_are_addressed_by_name() -> None:
    settings = _settings()
    settings.override("stages.signals.where=n_chars > 5")
    settings.override("stages.other.tokenizer=shipped")
    assert isinstance(settings.data, dict)
    assert settings.data["stages"] == [
        {"signals": {"where": "n_chars > 5"}},
        {"tokens": {"name": "other", "tokenizer": "shipped"}},
    ]
    assert settings.dotted(("stages", 1, "tokens", "tokenizer")) == "stages.other.tokenizer"
    assert settings.origin(("stages", 0, "signals", "where")).startswith("--set stages.signals")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sources.wbe.path=x", "no item 'wbe' in the list; did you mean 'web'"),
        ("sources.7.path=x", "no item '7'"),
        ("workspace.a=x", "can't be set in './work', which is not a mapping"),
        ("workspace", "should be KEY=VALUE"),
        ("a..b=1", "should be KEY=VALUE"),
        ("seed=[1", "not valid YAML"),
        ("seed=${NO}", "environment variable NO is not set"),
    ],
)
def test_a_wrong_override_is_named(override: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _settings().override(override)
    assert str(raised.value).startswith(f"--set {override}: ")
    assert message in str(raised.value)


def test_places_are_kept() -> None:
    settings = _settings()
    assert settings.origin(("sources", 1, "path")) == "corpus.yaml:5"
    assert settings.origin(("mixtures", 0, "tokens")) == "corpus.yaml:11"
    assert settings.origin(("mixtures", 0, "missing")) == "corpus.yaml:10"
    assert settings.origin(("mixtures",)) == "corpus.yaml:9"
    assert settings.dotted(("sources", 1, "path")) == "sources.books.path"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("1e-3", 0.001),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("010", 10),
        ("'5'", "5"),
        (".nan", ".nan"),
        ("9" * 5000, "9" * 5000),
        ("1e999", "1e999"),
        ("", None),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: JsonValue) -> None:
    found = _settings(f"a: {text}").data
    assert found == {"a": value}


def test_the_environment_is_expanded() -> None:
    text = "a: ${DATA}/x\nb: '$${DATA}'\nc: ${N}\nd: '${N}'\n# ${COMMENT}\n"
    settings = _settings(text, {"DATA": "/d", "N": "5"})
    assert settings.data == {"a": "/d/x", "b": "${DATA}", "c": 5, "d": "5"}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: ${UNSET}", 2, "environment variable UNSET is not set"),
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' is there twice"),
        ("a: [1\nb: 2", 2, "not valid YAML"),
        ("a: 1\nb: !!python/name:os.system", 2, "is not allowed"),
        ("a: &x [*x]", 1, "may not contain itself"),
        ("a: 1\n? [b]\n: 2", 2, "a key should be one word"),
        ("a: \x00", None, "not valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, line: int | None, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _settings(text)
    place = f"corpus.yaml:{line}: " if line else "corpus.yaml: "
    assert str(raised.value).startswith(place)
    assert message in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"- a", b"\xff\xfe\xff"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "corpus.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"corpus\.yaml: "):
        read_settings(path, (), {})
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_settings(tmp_path / "missing.yaml", (), {})


def test_the_nearest_name_is_offered() -> None:
    assert nearest("sgnals", ["signals", "tokens"]) == "; did you mean 'signals'?"
    assert nearest("zzz", ["a", "b"]) == "; there are: a, b"
    assert nearest("zzz", []) == ""
