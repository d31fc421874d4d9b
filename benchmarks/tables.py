"""Tables in Markdown, as benchmarks/README.md keeps them."""

from collections.abc import Iterable, Sequence


def show(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, each row as it comes."""
    print(f"\n### {title}\n", flush=True)
    _line(head)
    _line(["---"] * len(head))
    for row in rows:
        _line([_shown(value) for value in row])


def _line(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
