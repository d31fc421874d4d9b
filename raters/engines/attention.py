"""Attention of documents that lie one behind another in a row of tokens, each kept to itself."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NAME = "winnow_packed"
"""What transformers knows this attention by."""

_SCORES = 2**24
"""So many attention scores are held at a time where a kernel can't do without them."""

_BLOCK = 256
"""Queries whose scores stay in a processor's cache while they become weights."""

_HARMLESS = {"dropout", "position_ids", "use_cache", "is_causal", "cache_position", "return_dict"}
"""Arguments of an attention that need no heed where nothing is learned and nothing is padded."""


class UnfitModelError(ValueError):
    """This attention can't do what the model asks for."""


class Memory:
    """What later tokens of some documents attend to: the keys and values of each layer."""

    def __init__(self, documents: int, room: int) -> None:
        """Room for so many tokens a document."""
        self._shape = (documents, room)
        self._layers: list[tuple[torch.Tensor, torch.Tensor]] = []

    def keep(
        self, layer: int, rows: "torch.Tensor", places: "torch.Tensor", new: "list[torch.Tensor]"
    ) -> None:
        """Put a key and a value (heads x tokens x size) where each token belongs."""
        if layer == len(self._layers):
            keys, values = (
                tensor.new_zeros(self._shape[0], len(tensor), self._shape[1], tensor.shape[-1])
                for tensor in new
            )
            self._layers.append((keys, values))
        for kept, tensor in zip(self._layers[layer], new, strict=True):
            kept[rows, :, places] = tensor.transpose(0, 1)

    def bytes_per_token(self) -> int:
        """What a token takes, once all layers have kept something."""
        count = self._shape[0] * self._shape[1]
        held: int = sum(kept.nbytes for pair in self._layers for kept in pair)
        return held // count

    def layer(self, layer: int, first: int, rows: int, used: int) -> "list[torch.Tensor]":
        """Keys and values (documents x heads x tokens x size) of some documents in a row."""
        return [kept[first : first + rows, :, :used] for kept in self._layers[layer]]


@dataclass(kw_only=True)
class Reading:
    """One pass of a model over tokens of several documents, and where each lies."""

    lengths: Sequence[int]
    """By document, its tokens in this pass."""
    before: Sequence[int]
    """By document, its tokens that the memory holds already; documents with and without such do
    not share a pass, and those with such have as many tokens each."""
    device: "torch.device"
    memory: Memory | None = None
    first: int = 0
    """The first document's place in the memory."""
    windows: set[int | None] = field(default_factory=set)
    """What the layers asked for, once they were run."""

    def __post_init__(self) -> None:
        import torch

        self._layer = 0
        self._edges = [0, *accumulate(self.lengths)]
        places = [range(b, b + n) for b, n in zip(self.before, self.lengths, strict=True)]
        flat = torch.tensor([place for some in places for place in some])
        self.places = flat.to(self.device, non_blocking=True)
        """By token, its place in its document."""
        self._edge_tensor = torch.tensor(self._edges, dtype=torch.int32).to(self.device)
        counts = torch.tensor(self.lengths)
        rows = torch.arange(self.first, self.first + len(counts)).repeat_interleave(counts)
        self._rows = rows.to(self.device, non_blocking=True)

    def attend(
        self, states: "list[torch.Tensor]", scale: float | None, window: int | None
    ) -> "torch.Tensor":
        """The output of one layer (tokens x heads x size) for its query, key and value."""
        query, key, value = states
        layer, self._layer = self._layer, self._layer + 1
        self.windows.add(window)
        if self.memory is not None:
            self.memory.keep(layer, self._rows, self.places, [key, value])
        if any(self.before):
            return self._recall(layer, query, scale, window)
        longest = max(self.lengths)
        reach = window if window is not None and window < longest else None
        if _has_kernel(states):
            return self._vary(states, scale, reach)
        return self._loop(states, scale, reach)

    def _vary(
        self, states: "list[torch.Tensor]", scale: float | None, window: int | None
    ) -> "torch.Tensor":
        """All documents by one kernel for sequences of varying length."""
        from torch.nn.attention import varlen

        query, key, value = (tensor.transpose(0, 1) for tensor in states)
        longest = max(self.lengths)
        grouped = {"enable_gqa": True} if "enable_gqa" in _varlen_parameters() else {}
        found: torch.Tensor = varlen.varlen_attn(
            query, key, value, self._edge_tensor, self._edge_tensor, longest, longest,
            scale=scale, window_size=(-1 if window is None else window - 1, 0), **grouped,
        )  # fmt: skip
        return found

    def _loop(
        self, states: "list[torch.Tensor]", scale: float | None, window: int | None
    ) -> "torch.Tensor":
        """A document at a time: on a processor as fast as several of one length at once."""
        import torch

        query, key, value = states
        out = query.new_empty(query.shape[1], len(query), value.shape[-1])
        for start, end in pairwise(self._edges):
            q, k, v = (tensor[None, :, start:end] for tensor in states)
            if window is not None and window < end - start:
                out[start:end] = _masked(q, k, v, 0, scale, window)[0].transpose(0, 1)
                continue
            if query.dtype == torch.bfloat16:
                _in_blocks(q[0], k[0], v[0], scale, out[start:end].transpose(0, 1))
                continue
            some = torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=True, scale=scale, enable_gqa=len(query) != len(key)
            )
            out[start:end] = some[0].transpose(0, 1)
        return out

    def _recall(
        self, layer: int, query: "torch.Tensor", scale: float | None, window: int | None
    ) -> "torch.Tensor":
        """New tokens of documents that are in the memory attend to all there."""
        assert self.memory is not None
        count, each = len(self.lengths), self.lengths[0]
        used = max(self.before) + each
        keys, values = self.memory.layer(layer, self.first, count, used)
        before = self._edge_tensor.new_tensor(self.before)
        q = query.unflatten(1, (count, each)).transpose(0, 1)
        out = _masked(q, keys, values, before, scale, window)
        return out.transpose(1, 2).flatten(0, 1)


def _in_blocks(
    q: "torch.Tensor",
    k: "torch.Tensor",
    v: "torch.Tensor",
    scale: float | None,
    out: "torch.Tensor",
) -> None:
    """One document's attention, some queries at a time against all that stands before them.

    Twice as fast in bfloat16 as torch's kernel, which multiplies small blocks. Heads that share a
    key are laid beside each other as if they were tokens.
    """
    import torch

    heads, length, size = q.shape
    block = min(_BLOCK, length)
    later = torch.full((block, block), -torch.inf, dtype=q.dtype).triu_(1)
    q, keys = q * (size**-0.5 if scale is None else scale), k.transpose(1, 2)
    for start in range(0, length, block):
        end = min(length, start + block)
        rows = end - start
        laid = q[:, start:end].reshape(len(k), -1, size)
        scores = torch.bmm(laid, keys[:, :, :end]).view(heads, rows, end)
        scores[:, :, start:] += later[:rows, :rows]
        weights = scores.softmax(-1).view(len(k), -1, end)
        out[:, start:end] = torch.bmm(weights, v[:, :end]).view(heads, rows, -1)


def _masked(
    q: "torch.Tensor",
    k: "torch.Tensor",
    v: "torch.Tensor",
    before: "torch.Tensor | int",
    scale: float | None,
    window: int | None,
) -> "torch.Tensor":
    """Attention of tokens that stand behind `before` others each, a piece of them at a time.

    Heads that share a key are laid beside each other as if they were tokens.
    """
    import torch

    count, heads, each, size = q.shape
    shared = heads // k.shape[1]
    step = max(1, _SCORES // (count * heads * k.shape[2]))
    places = torch.arange(k.shape[2], device=q.device)
    behind = torch.as_tensor(before, device=q.device).expand(count)[:, None]
    found = []
    for start in range(0, each, step):
        some = q[:, :, start : start + step]
        rows = some.shape[2]
        at = (behind + torch.arange(start, start + rows, device=q.device))[:, :, None]
        mask = places <= at
        if window is not None:
            mask &= places > at - window
        laid = some.reshape(count, k.shape[1], shared * rows, size)
        out = torch.nn.functional.scaled_dot_product_attention(
            laid, k, v, attn_mask=mask.repeat(1, shared, 1)[:, None], scale=scale
        )
        found.append(out.reshape(count, heads, rows, v.shape[-1]))
    return torch.cat(found, 2)


def _varlen_parameters() -> Mapping[str, object]:
    try:
        from torch.nn.attention import varlen
    except ImportError:
        return {}
    return inspect.signature(varlen.varlen_attn).parameters


def _has_kernel(states: "Sequence[torch.Tensor]") -> bool:
    """Whether torch has a kernel for sequences of varying length that takes these states."""
    import torch

    size, device = states[0].shape[-1], states[0].device
    return (
        device.type == "cuda"
        and states[0].dtype in (torch.bfloat16, torch.float16)
        and size % 8 == 0
        and size <= 256
        and states[2].shape[-1] == size
        and torch.cuda.get_device_capability(device) >= (8, 0)
        and "window_size" in _varlen_parameters()
    )


_reading: ContextVar[Reading] = ContextVar("reading")


@contextmanager
def reading(this: Reading) -> Iterator[None]:
    """While this lasts, models with this attention read so."""
    token = _reading.set(this)
    try:
        yield
    finally:
        _reading.reset(token)


def register() -> None:
    """Let transformers know this attention by its name."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)


def _attend(
    module: "torch.nn.Module",
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    attention_mask: "torch.Tensor | None",
    scaling: float | None = None,
    sliding_window: int | None = None,
    **others: object,
) -> "tuple[torch.Tensor, None]":
    """What transformers calls in each layer; it hands over whatever the model's own has."""
    unknown = [name for name, value in others.items() if value is not None]
    unknown = [name for name in unknown if name not in _HARMLESS]
    unknown = [name for name in unknown if others[name] is not False]
    if attention_mask is not None:
        unknown.append("attention_mask")
    if unknown or not getattr(module, "is_causal", True):
        raise UnfitModelError(f"its attention has {', '.join(unknown) or 'no direction'}")
    states = [query[0], key[0], value[0]]
    return _reading.get().attend(states, scaling, sliding_window)[None], None
