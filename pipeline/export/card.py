"""The dataset card of a mixture: what its manifest says, for people."""

import html
import json
from collections.abc import Sequence
from typing import Any

from pipeline.export.data_sets import data_sets_of
from pipeline.export.lists import Manifest
from pipeline.select.strata import stratum_label

_BAR = 24
"""Characters of the longest bar of a figure."""

_SHOWN = 50
"""Rows of the longest table."""


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    return html.escape(text).replace("|", "\\|").replace("\n", " ")


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        lines.append(f"\n{len(rows) - _SHOWN:,} more are in `manifest.json`.")
    return "\n".join(lines)


def _bars(values: Sequence[int]) -> list[str]:
    """A bar for each value; the largest has the full length."""
    most = max(values, default=0) or 1
    return ["█" * round(_BAR * value / most) for value in values]


def card(manifest: Manifest) -> str:
    """The dataset card, in Markdown; what comes from documents or configuration is escaped."""
    totals = manifest["totals"]
    kept = [step["documents"] for step in manifest["funnel"]]
    funnel = [
        (step["step"], step["documents"], step["tokens"], bar)
        for step, bar in zip(manifest["funnel"], _bars(kept), strict=True)
    ]
    names = ("wanted", "available", "achieved", "achieved_documents")
    sums = [cut["achieved"] for cut in manifest["strata"]]
    strata = [
        [
            stratum_label(cut["stratum"]),
            *(cut[name] for name in names),
            f"{100 * cut['achieved'] / (sum(sums) or 1):.1f} %",
            bar,
        ]
        for cut, bar in zip(manifest["strata"], _bars(sums), strict=True)
    ]
    sources = [
        (item["source"], len(item["files"]), item["records"], item["documents"])
        for item in manifest["inputs"]
    ]
    splits = [
        (name, split["documents"], split["tokens"]) for name, split in manifest["splits"].items()
    ]
    form = ", ".join(f"{key} {value}" for key, value in manifest["format"].items())
    return f"""{_head(manifest)}# {_cell(manifest["name"])}

{totals["documents"]:,} documents, {totals["tokens"]:,} tokens, in {len(manifest["shards"])} shards,
selected by Winnow. `manifest.json` beside this says exactly what is in them and why;
`winnow verify` checks it.

Format: {_cell(form.removeprefix("name "))}.
{_tokens(manifest)}{_edits(manifest)}
## Splits

{_table(("split", "documents", "tokens"), splits)}

## Sources

{_table(("source", "files", "records", "documents"), sources)}

## From records to rows

{_table(("step", "documents", "tokens", ""), funnel)}

## Strata

{_table(("stratum", "wanted", "available", "achieved", "documents", "share", ""), strata)}

## Licenses

{_licenses(manifest)}

Contamination with benchmarks: {_cell(manifest["contamination"])}.
"""


def _tokens(manifest: Manifest) -> str:
    tokenizer, totals = manifest["tokenizer"], manifest["totals"]
    if tokenizer is None:
        return ""
    return (
        f"Tokens are those of the tokenizer {_cell(tokenizer['name'])}"
        f" (SHA-256 {tokenizer['sha256'][:12]}); {totals['repeated_tokens']:,} of them are in"
        f" {totals['repeated_documents']:,} repeated documents.\n"
    )


def _edits(manifest: Manifest) -> str:
    if "edits" not in manifest:
        return ""
    edits = manifest["edits"]
    taken = ", ".join(f"{count:,} by {kind}" for kind, count in edits["removed"].items())
    return (
        f"Texts were edited, {edits['documents']:,} of them changed; characters taken out: {taken}."
        f" Of {edits['empty']:,} documents nothing would have been left.\n"
    )


def _licenses(manifest: Manifest) -> str:
    found = manifest["licenses"]
    if found is None:
        return "The documents have no column `license`."
    rows = [(item["license"], item["documents"], item["tokens"]) for item in found]
    return _table(("license", "documents", "tokens"), rows)


def _head(manifest: Manifest) -> str:
    """What `datasets.load_dataset` reads of the card, where it can load the shards."""
    if manifest["format"]["name"] != "huggingface" or not manifest["shards"]:
        return ""
    configs: dict[str, list[dict[str, Any]]] = {}
    for data in data_sets_of(manifest):
        if not data.shards:
            continue
        name = "default" if data.stratum is None else data.folder.partition("/")[0]
        # Of the same length as a shard's name, so that files of ids don't match.
        pattern = data.name("shard-?????-????????????.parquet")
        configs.setdefault(name, []).append({"split": data.split, "path": pattern})
    lines = ["---", "configs:"]
    for name, files in configs.items():
        lines += [f"- config_name: {json.dumps(name)}", "  data_files:"]
        for file in files:
            lines += [f"  - split: {file['split']}", f"    path: {json.dumps(file['path'])}"]
    return "\n".join([*lines, "---", "", ""])
