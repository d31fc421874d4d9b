"""Tables in Markdown, as benchmarks/README.md keeps them."""

from collections.abc import Sequence


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table."""
    lines = [head, ["---"] * len(head), *([_shown(value) for value in row] for row in rows)]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    print(f"\n### {title}\n\n{body}\n", flush=True)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
