"""What `winnow select --dry-run` tells of a mixture."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jobs.console import MOST_ROWS, Console, first_words

if TYPE_CHECKING:
    from pipeline.spark.preview import Preview


def told_preview(preview: "Preview") -> dict[str, Any]:
    """The manifest, what each rule rejects, and the examples; for `--json`."""
    return {
        **preview.manifest,
        "rejections": [asdict(rejection) for rejection in preview.rejections],
        "examples": [asdict(example) for example in preview.examples],
    }


def show_preview(console: Console, preview: "Preview") -> None:
    """The mixture's keys, funnel and strata, and what is near the cuts."""
    from pipeline.select.bits import place_key
    from pipeline.select.plan import stratum_label

    manifest = preview.manifest
    name, config = manifest["name"], manifest["config"]
    if "recipe" in config:
        told = ", ".join(f"{key}: {value}" for key, value in config.items() if key != "name")
        console.say(f"\nmixture {name}: {told}")
    console.table(
        f"mixture {name}: what each rule rejects",
        ("rule", "of documents", "rejects", "share", "no other term does"),
        [
            (r.rule, r.given, r.rejected, f"{r.rejected / max(1, r.given):.1%}", r.alone)
            for r in preview.rejections
        ],
    )
    console.mixture(name, manifest, None)
    console.table(
        f"mixture {name}: thresholds",
        ("stratum", "copies", "and one more from key", "achieved of wanted"),
        [
            (
                stratum_label(cut["stratum"]),
                cut["copies"],
                None if cut["cut"] == "none" else f"{place_key(cut['cut']):.6g}",
                f"{cut['achieved'] / cut['wanted']:.1%}" if cut["wanted"] else None,
            )
            for cut in manifest["strata"][:MOST_ROWS]
        ],
    )
    if preview.examples:
        console.table(
            f"mixture {name}: on either side of the thresholds",
            ("stratum", "is", "key", "score", "id", "begins"),
            [
                (
                    stratum_label(e.stratum),
                    "in" if e.taken else "out",
                    f"{e.key:.6g}",
                    f"{e.score:.6g}",
                    e.id[:12],
                    first_words(e.text, 60),
                )
                for e in preview.examples
            ],
        )
