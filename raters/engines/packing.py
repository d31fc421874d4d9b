"""What a model's config.json tells of whether its documents can be packed in a row."""

from collections.abc import Iterator, Mapping

LAYERS = frozenset({"full_attention", "sliding_attention"})
"""The kinds of layers that can be kept within documents."""

STRETCHING = frozenset({"dynamic", "longrope"})
"""Positions that mean something else as soon as a longer document stands beside."""

_OTHER_MODELS = {
    "gemma2": "its attention scores are capped",
    "gpt_oss": "its attention has sinks",
    "bloom": "its attention has ALiBi",
    "mpt": "its attention has ALiBi",
    "gpt_neo": "its attention can't be replaced",
    **dict.fromkeys(("bamba", "falcon_h1", "jamba", "zamba", "zamba2"), "it has recurrences"),
    **dict.fromkeys(("falcon_mamba", "mamba", "mamba2", "recurrent_gemma"), "it has recurrences"),
    **dict.fromkeys(("rwkv", "xlstm"), "it has recurrences"),
}
_SCALES = ("logits_scaling", "logit_scale")


def unfit(config: Mapping[str, object]) -> str | None:
    """Why such a model's documents can't be packed, as far as it is known without its weights.

    None says little: what is left is found by a probe once the model is loaded.
    """
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in _OTHER_MODELS:
        return _OTHER_MODELS[kind]
    return next(_reasons(config), None)


def _reasons(config: Mapping[str, object]) -> Iterator[str]:
    layers = config.get("layer_types") or config.get("layers_block_type")
    if isinstance(layers, list) and (other := {str(layer) for layer in layers} - LAYERS):
        yield f"it has layers of {', '.join(sorted(other))}"
    stretching = sorted(STRETCHING.intersection(_rope_types(config)))
    if stretching:
        yield f"its positions are {stretching[0]}"
    if config.get("attn_logit_softcapping") or config.get("final_logit_softcapping"):
        yield "its scores are capped"
    if config.get("alibi"):
        yield "its attention has ALiBi"
    if any(config.get(name) not in (None, 1, 1.0) for name in _SCALES):
        yield "its head scales logits"


def _rope_types(config: Mapping[str, object]) -> Iterator[str]:
    """The kinds of positions, for all layers or by kind of layer, as old and new configs say."""
    for name in ("rope_parameters", "rope_scaling"):
        told = config.get(name)
        for some in (told, *(told.values() if isinstance(told, dict) else ())):
            if isinstance(some, dict):
                yield from (str(some[key]) for key in ("rope_type", "type") if key in some)
