"""README and documentation tell the truth: commands, configurations, columns, keys, links."""

import argparse
import json
import re
import shlex
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from support import ROOT, write_jsonl

from jobs.cli import parser
from jobs.configuration import load_configuration
from jobs.stages import STAGES, stage_class
from pipeline.io.tokenizer import SHIPPED
from pipeline.select.samplers import SAMPLERS
from pipeline.stages.base import MapStage
from schemas.config import FRAMES

README = (ROOT / "README.md").read_text()
CONFIGURATION = (ROOT / "docs/configuration.md").read_text()
PAGES = "".join([CONFIGURATION, README, (ROOT / "docs/tour.md").read_text()])
COMMAND = re.compile(r"^(?:\$ )?(?:winnow|spark-submit .*?__main__\.py) ([^|#\n]*)", re.M)
REQUIRED = {"dsir": {"target": ""}}
CODE = re.compile(r"`([^`\n]+)`")


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES, re.M | re.S)


def commands() -> list[str]:
    """The arguments of every `winnow` in the code blocks."""
    shown = "".join(blocks("sh") + blocks("console"))
    return [found.strip() for found in COMMAND.findall(shown)]


def test_every_command_parses() -> None:
    names = {parser().parse_args(shlex.split(words)).command for words in commands()}
    assert names >= {"init", "run", "status", "table", "sample", "explain", "select", "verify"}


def test_every_command_and_option_is_told() -> None:
    (added,) = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    told = set(re.findall(r"(?<![\w-])-{1,2}\w[\w-]*", README))
    for name, command in added.choices.items():
        assert f"`winnow {name} " in README, name
        options = {option for action in command._actions for option in action.option_strings}
        assert options - {"-h"} <= told, name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that the configurations name."""
    (tmp_path / "domains.csv").write_text(blocks("csv")[0])
    record = {"body": "A text.", "link": "https://example.org", "url": "https://example.org"}
    write_jsonl(tmp_path / "forum/2023/a.jsonl", [record])
    write_jsonl(tmp_path / "forum/2024/b.jsonl", [record])
    (tmp_path / "forum/2024/b.jsonl").rename(tmp_path / "forum/2024/b.jsonl.zst")
    (tmp_path / "crawl").mkdir()
    shutil.copy(ROOT / "examples/sample/pages.warc.gz", tmp_path / "crawl/pages.warc.gz")
    (tmp_path / "proverbs.txt").write_text("A text.\n")
    (tmp_path / "my-tokenizer").mkdir()
    shutil.copy(SHIPPED, tmp_path / "my-tokenizer/tokenizer.json")
    import pyarrow as pa
    import pyarrow.parquet as pq

    scores = {"url": [record["url"]], "educational": [2.0]}
    pq.write_table(pa.table(scores), tmp_path / "scores.parquet")
    return tmp_path


def test_every_configuration_loads(folder: Path) -> None:
    """A block that is a part of a configuration takes the place of that part in the first one."""
    first, *parts = blocks("yaml")
    whole = yaml.safe_load(first)
    for number, content in enumerate([first, *parts]):
        path = folder / f"{number}.yaml"
        shown = yaml.safe_load(content)
        path.write_text(content if "workspace" in shown else json.dumps({**whole, **shown}))
        bound = load_configuration(path, environment={"CORPORA": str(folder)})
        assert bound.mixtures
    assert len(parts) >= 2


def test_the_first_configuration_has_every_key() -> None:
    shown = yaml.safe_load(blocks("yaml")[0])
    places = {
        (): shown,
        ("sources",): {key for source in shown["sources"] for key in source},
        ("sources", "columns"): shown["sources"][1]["columns"]["votes"],
        ("sources", "segment"): shown["sources"][0]["segment"],
        ("mixtures",): {key for mixture in shown["mixtures"] for key in mixture},
        ("mixtures", "write"): shown["mixtures"][0]["write"],
    }
    assert places.keys() == FRAMES.keys()
    for place, keys in places.items():
        assert set(keys) == set(FRAMES[place].model_fields), place


def test_every_stage_and_column_is_told() -> None:
    told = {word for code in CODE.findall(CONFIGURATION) for word in re.split(r"[\s=,]+", code)}
    for kind in STAGES:
        assert f"| `{kind}` |" in CONFIGURATION
        if kind == "columns_from":
            continue
        stage = stage_class(kind)(**REQUIRED.get(kind, {}))
        assert set(stage.schema().names) <= told, kind
        row = next(line for line in CONFIGURATION.splitlines() if line.startswith(f"| `{kind}` |"))
        assert all(f"`{item.name}`" in row for item in fields(stage)), kind
    table = CONFIGURATION.partition("What `signals` measures")[2]
    measured = set(re.findall(r"`([a-z_0-9]+)`", "".join(re.findall(r"^\|([^|]*)\|", table, re.M))))
    signals = stage_class("signals")()
    assert isinstance(signals, MapStage)
    assert measured == set(signals.schema().names)


def test_every_sampler_is_told() -> None:
    for method in SAMPLERS:
        assert f"| `{method}` |" in CONFIGURATION


def test_every_link_leads_somewhere() -> None:
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    for page in [*pages, *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert link.startswith("https://") or (page.parent / link).exists(), link
