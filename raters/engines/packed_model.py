"""A causal model that reads documents packed in a row, and the proof that it can."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from raters.base import Choosing, EngineError, Request
from raters.engines import attention
from raters.engines.attention import Memory, Reading, UnfitModelError, reading
from raters.engines.loading import load_model
from raters.engines.options import Device, Dtype
from raters.engines.packing import LAYERS, STRETCHING

if TYPE_CHECKING:
    import torch

_LOGITS = {"cpu": 2**17, "cuda": 2**27}
"""So many logits are there at a time; on a processor they should stay in its cache."""
_ROWS = 128
"""Logits of so many tokens are there all the same, as each time the whole head is read."""
_PROBE = (9, 2, 40, 17)
_TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2}
_ISOLATION = {"float32": 1e-6, "bfloat16": 1e-2}


class PackedModel:
    """The model's body and head, with attention kept within documents.

    EngineError where the model's results would not be those of a plain forward pass.
    """

    def __init__(self, directory: str, dtype: Dtype, device: Device) -> None:
        import torch

        attention.register()
        try:
            self._model = model = load_model(directory, dtype, device, attention.NAME)
            self.device = model.device
            self._body = self._model.base_model
            self._head = self._model.get_output_embeddings()
            config = model.config.get_text_config()
            self._vocabulary = int(config.vocab_size)
            longest = getattr(config, "max_position_embeddings", None)
            self._longest = longest if isinstance(longest, int) else None
            self._chunk = max(_ROWS, _LOGITS[self.device.type] // self._vocabulary)
            self.bytes_per_token = 1
            self._check_facts()
            with torch.inference_mode():
                self._check_reading(dtype)
        except (NotImplementedError, TypeError, AttributeError, KeyError, ValueError) as error:
            raise EngineError(
                f"model: documents can't be packed in a row for it ({error}); "
                "`engine: transformers` runs it"
            ) from error

    def refusal(self, request: Request) -> str | None:
        """Why the model can't be asked this, if it can't."""
        steps = request.steps if isinstance(request, Choosing) else ()
        length = len(request.tokens) + len(steps)
        if self._longest is not None and length > self._longest:
            return f"{length} tokens, and the model reads {self._longest}"
        for some in (request.tokens, *steps):
            if not some or min(some) < 0 or max(some) >= self._vocabulary:
                return "a token that the model does not know"
        return None

    def read(
        self,
        tokens: "torch.Tensor",
        lengths: Sequence[int],
        before: Sequence[int],
        memory: Memory | None = None,
        first: int = 0,
    ) -> "torch.Tensor":
        """The last hidden state of each token of a row, where documents' tokens lie in order."""
        return self._read(
            tokens, Reading(lengths=lengths, before=before, memory=memory, first=first,
                            device=self.device)
        )  # fmt: skip

    def losses(
        self, hidden: "torch.Tensor", at: Sequence[int], targets: Sequence[int]
    ) -> "torch.Tensor":
        """-log p of each target after the token at the place beside it, in float32."""
        import torch

        if not at:
            return torch.zeros(0)
        places, wanted = (torch.tensor(ids).to(self.device) for ids in (at, targets))
        # One tensor from the start: small ones kept between large ones would break up the heap.
        found = torch.empty(len(at), device=self.device)
        for start in range(0, len(at), self._chunk):
            some = slice(start, start + self._chunk)
            logits = self._head(hidden[places[some]])
            likely = torch.log_softmax(logits, -1, dtype=torch.float32)
            found[some] = likely.gather(1, wanted[some, None])[:, 0]
            del logits, likely
        return -found

    def allowed(self, hidden: "torch.Tensor", ids: "torch.Tensor") -> "torch.Tensor":
        """Log p of some tokens after each hidden state, over the whole vocabulary."""
        import torch

        found = [
            torch.log_softmax(self._head(some), -1, dtype=torch.float32).gather(1, which)
            for some, which in zip(hidden.split(self._chunk), ids.split(self._chunk), strict=True)
        ]
        return torch.cat(found)

    def _read(self, tokens: "torch.Tensor", this: Reading) -> "torch.Tensor":
        import torch

        with reading(this):
            found: torch.Tensor = self._body(
                input_ids=tokens.to(self.device)[None],
                position_ids=this.places[None],
                use_cache=False,
            ).last_hidden_state
        return found[0]

    def _check_facts(self) -> None:
        config = self._model.config.get_text_config()
        other = set(getattr(config, "layer_types", None) or ()) - LAYERS
        if other:
            raise UnfitModelError(f"it has layers of {', '.join(sorted(other))}")
        rope = str(getattr(config, "rope_parameters", None))
        stretching = [kind for kind in sorted(STRETCHING) if f"'rope_type': '{kind}'" in rope]
        if stretching:
            raise UnfitModelError(f"its positions are {stretching[0]}")
        if self._head is None:
            raise UnfitModelError("it has no head of its own")

    def _check_reading(self, dtype: Dtype) -> None:
        """Packed, in pieces and beside others, documents must score as they do alone."""
        documents = self._probe()
        losses, seen = self._packed(documents)
        self._check_windows(seen)
        pieces = self._in_pieces(documents[2])
        plain = self._plain(documents)
        for found, alone in ((losses, plain), ([pieces], [plain[2]])):
            for one, other in zip(found, alone, strict=True):
                self._agree(one, other, _TOLERANCE[dtype])
        others = [[(token + 1) % self._vocabulary for token in some] for some in documents]
        for place in range(len(documents)):
            beside = [*others[:place], documents[place], *others[place + 1 :]]
            self._agree(self._packed(beside)[0][place], losses[place], _ISOLATION[dtype])

    def _agree(self, one: "torch.Tensor", other: "torch.Tensor", tolerance: float) -> None:
        away = float((one - other).mean().abs())
        if not away <= tolerance and bool(other.isfinite().all()):
            raise UnfitModelError(f"it scores {away:.2g} nats away from a plain forward pass")

    def _probe(self) -> list[list[int]]:
        window = getattr(self._model.config.get_text_config(), "sliding_window", None) or 0
        lengths = [*_PROBE, window + 9] if 0 < window <= 512 else [*_PROBE]
        lengths = [min(length, self._longest or length) for length in lengths]
        return [
            [(7919 * (place + 31 * number) + 13) % self._vocabulary for place in range(length)]
            for number, length in enumerate(lengths)
        ]

    def _packed(
        self, documents: Sequence[Sequence[int]]
    ) -> "tuple[list[torch.Tensor], set[int | None]]":
        import torch

        lengths = [len(some) for some in documents]
        this = Reading(lengths=lengths, before=[0] * len(lengths), device=self.device)
        row = torch.tensor([token for some in documents for token in some])
        hidden = self._read(row, this)
        return [
            self.losses(states, range(len(some) - 1), some[1:])
            for states, some in zip(hidden.split(lengths), documents, strict=True)
        ], this.windows

    def _in_pieces(self, tokens: Sequence[int]) -> "torch.Tensor":
        import torch

        memory, half = Memory(1, len(tokens)), len(tokens) // 2 + 1
        row = torch.tensor(tokens)
        hidden = [
            self.read(row[:half], [half], [0], memory),
            self.read(row[half:], [len(tokens) - half], [half], memory),
        ]
        self.bytes_per_token = memory.bytes_per_token()
        return self.losses(torch.cat(hidden), range(len(tokens) - 1), tokens[1:])

    def _plain(self, documents: Sequence[Sequence[int]]) -> "list[torch.Tensor]":
        """Each document by a plain forward pass of the whole model, with its own attention."""
        import torch

        found = []
        self._model.set_attn_implementation("eager")
        for some in documents:
            tokens = torch.tensor([some], device=self.device)
            logits = self._model(input_ids=tokens, use_cache=False).logits[0, :-1]
            likely = torch.log_softmax(logits, -1, dtype=torch.float32)
            found.append(-likely.gather(1, tokens[0, 1:, None])[:, 0])
        self._model.set_attn_implementation(attention.NAME)
        return found

    def _check_windows(self, seen: set[int | None]) -> None:
        """A window that the layers do not tell of could not be kept."""
        config = self._model.config.get_text_config()
        kinds = getattr(config, "layer_types", None) or ()
        sliding = "sliding_attention" in kinds or (not kinds and bool(_window(config)))
        if not seen:
            raise UnfitModelError("its attention can't be replaced")
        if sliding and not seen - {None}:
            raise UnfitModelError("its sliding window is not told")


def _window(config: object) -> int | None:
    return getattr(config, "sliding_window", None)
