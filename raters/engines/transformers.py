"""The engine that runs any causal model of transformers, a request at a time."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from raters.base import Choosing, Completion, Request, Scored, Scoring
from raters.engines.choosing import choose
from raters.engines.loading import load_model
from raters.engines.options import Device, Dtype

if TYPE_CHECKING:
    import torch

_ROWS = 128
"""Logits are made for so many tokens at a time; measured fastest, as they stay in the cache."""


class TransformersEngine:
    """Runs each request alone, on one thread, so that no other one can change its last bit.

    In float32 a completion is within 1e-4 nats per token of a plain forward pass. An accelerator
    gives the same bits again only where the next one is of the same kind.
    """

    exact: ClassVar[bool] = True

    def __init__(self, directory: str, dtype: Dtype = "float32", device: Device = "auto") -> None:
        self._model = load_model(directory, dtype, device)
        self._device = self._model.device
        self._body = self._model.base_model
        self._head = self._model.get_output_embeddings()
        self._plain = self._head_is_all()
        takes = inspect.signature(self._model.forward).parameters
        self._last = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
        # What transformers calls it depends on its version.
        self._cache = "cache" if "cache" in takes else "past_key_values"

    def run(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer each request."""
        import torch

        torch.set_num_threads(1)  # more would add up in another order
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Completion:
        if isinstance(request, Choosing):
            return choose(request, self._reader())
        return Scored(nll=self._score(request))

    def _score(self, request: Scoring) -> float:
        import torch

        with torch.inference_mode():
            tokens = torch.tensor([request.tokens], device=self._device)
            start = len(request.tokens) - request.scored
            targets = tokens[0, start:]
            total = 0.0
            for at, logits in self._logits(tokens, start - 1):
                some = targets[at : at + len(logits)]
                nll = torch.nn.functional.cross_entropy(logits.float(), some, reduction="none")
                total += nll.double().sum().item()
        return total

    def _logits(self, tokens: "torch.Tensor", start: int) -> Iterator[tuple[int, "torch.Tensor"]]:
        """Logits from a place on to the last token but one, in pieces."""
        if not self._plain:
            yield 0, self._model(input_ids=tokens, use_cache=False).logits[0, start:-1]
            return
        hidden = self._body(input_ids=tokens, use_cache=False).last_hidden_state[0, start:-1]
        for at in range(0, len(hidden), _ROWS):
            yield at, self._head(hidden[at : at + _ROWS])

    def _reader(self) -> "Callable[[Sequence[int]], torch.Tensor]":
        """Reads tokens on from where it stands; gives log p of every token that could follow."""
        import torch

        cache = None

        def read(tokens: Sequence[int]) -> "torch.Tensor":
            nonlocal cache
            with torch.inference_mode():
                ids = torch.tensor([tokens], device=self._device)
                given = {"input_ids": ids, self._cache: cache, "use_cache": True}
                if self._plain:
                    out = self._body(**given)
                    logits = self._head(out.last_hidden_state[:, -1])
                else:
                    out = self._model(**given, **self._last)
                    logits = out.logits[:, -1]
                cache = getattr(out, self._cache)
                return torch.log_softmax(logits[0].double(), 0)

        return read

    def _head_is_all(self) -> bool:
        """Whether logits are what the head makes of the body's output: no caps, no scales."""
        import torch

        with torch.inference_mode():
            probe = torch.arange(4, device=self._device)[None]
            whole = self._model(input_ids=probe, use_cache=False).logits
            hidden = self._body(input_ids=probe, use_cache=False).last_hidden_state
            return bool(torch.equal(whole, self._head(hidden)))
