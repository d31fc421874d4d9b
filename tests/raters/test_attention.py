"""Attention within documents against torch's own kernel, a document at a time."""

import pytest
import torch

from raters.engines.attention import Reading


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)], ids=str
)
@pytest.mark.parametrize("shared", [1, 3])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_documents_attend_as_if_they_were_alone(
    dtype: torch.dtype, tolerance: float, shared: int, scale: float | None
) -> None:
    lengths = [1, 255, 256, 257, 3, 700]
    torch.manual_seed(0)
    query, key, value = (
        torch.randn(sum(lengths), heads, size).to(dtype).transpose(0, 1)
        for heads, size in ((2 * shared, 16), (2, 16), (2, 24))
    )
    this = Reading(lengths=lengths, before=[0] * len(lengths), device=query.device)
    found = this.attend([query, key, value], scale, None)
    start = 0
    for length in lengths:
        states = (some[None, :, start : start + length].float() for some in (query, key, value))
        alone = torch.nn.functional.scaled_dot_product_attention(
            *states, is_causal=True, scale=scale, enable_gqa=True
        )
        away = found[start : start + length].float() - alone[0].transpose(0, 1)
        assert away.abs().max() < tolerance
        start += length
