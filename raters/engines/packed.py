"""The engine that packs requests without padding: torch, on the processor or a GPU."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING, ClassVar

from raters.base import Choosing, Chosen, Completion, Refused, Request, Scored, Scoring
from raters.engines.attention import Memory
from raters.engines.options import Device, Dtype
from raters.engines.packed_model import PackedModel

if TYPE_CHECKING:
    import torch

_TOKENS = {"cpu": 4096, "cuda": 32768}
"""Tokens a batch, where nothing else is said."""
_SORTED = 4096
"""So many requests for decisions at a time are put in order of their length."""
_TOGETHER = 256
"""No more documents than these are decided on together."""
_MEMORY = {"cpu": 2**28, "cuda": 2**32}
"""Bytes that the keys and values of such documents may take together."""


class PackedEngine:
    """Reads many requests at once, one behind another, no token of one seeing another's.

    The same list of requests gives the same bytes on one processor with as many threads; in
    another list a value differs within the tolerance: in float32 it is within 1e-4 nats per token
    of a plain forward pass, in bfloat16 within 3e-3 in the mean and 2e-2 for 99 of 100 documents
    of 32 tokens or more. Full logits never exist; memory is that of `tokens_per_batch` tokens and,
    for a longer request, of its keys and values.
    """

    exact: ClassVar[bool] = False

    def __init__(
        self,
        directory: str,
        dtype: Dtype = "float32",
        *,
        device: Device = "auto",
        tokens_per_batch: int | None = None,
        threads: int = 1,
    ) -> None:
        import torch

        torch.set_num_threads(threads)
        self._threads = threads
        self._model = PackedModel(directory, dtype, device)
        self._budget = tokens_per_batch or _TOKENS[self._model.device.type]

    def run(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer each request."""
        import torch

        torch.set_num_threads(self._threads)  # others would add up in another order
        found: dict[int, Completion] = {}
        scorings: dict[int, Scoring] = {}
        choosings: dict[int, Form] = {}
        for place, request in enumerate(requests):
            reason = self._model.refusal(request)
            if reason is not None:
                found[place] = Refused(reason=reason)
            elif isinstance(request, Scoring):
                scorings[place] = request
            else:
                choosings[place] = Form.of(request)
        with torch.inference_mode():
            found.update(zip(scorings, self._score(list(scorings.values())), strict=True))
            for group in self._groups(choosings):
                done = self._choose([choosings[place] for place in group])
                found.update(zip(group, done, strict=True))
        return [found[place] for place in range(len(requests))]

    def _score(self, requests: Sequence[Scoring]) -> list[Completion]:
        totals = [0.0] * len(requests)
        waiting: list[tuple[list[int], list[int], torch.Tensor]] = []
        tokens, memory = [request.tokens for request in requests], None
        for pieces in passes([len(some) for some in tokens], self._budget):
            length = len(tokens[pieces[0].document])
            if pieces[0].start == 0:  # else it goes on with what the pass before has kept
                memory = Memory(1, length) if pieces[0].end < length else None
            hidden = self._read(tokens, pieces, memory, 0)
            at, targets, counts = _scored(requests, pieces)
            losses = self._model.losses(hidden, at, targets)
            waiting.append(([piece.document for piece in pieces], counts, losses))
        # A GPU is not waited for before it has all its work.
        for documents, counts, losses in waiting:
            for document, some in zip(documents, losses.cpu().double().split(counts), strict=True):
                totals[document] += some.sum().item()
        return [Scored(nll=total) if total == total else _NOTHING for total in totals]

    def _read(
        self,
        tokens: Sequence[Sequence[int]],
        pieces: "Sequence[Piece]",
        memory: Memory | None,
        first: int,
    ) -> "torch.Tensor":
        """The last hidden states of the tokens of one pass."""
        import torch

        row = chain.from_iterable(tokens[p.document][p.start : p.end] for p in pieces)
        lengths = [piece.end - piece.start for piece in pieces]
        before = [piece.start for piece in pieces]
        return self._model.read(torch.tensor([*row]), lengths, before, memory, first)

    def _groups(self, forms: "dict[int, Form]") -> Iterator[list[int]]:
        """Places of requests of one shape and much the same length, to be decided together."""
        room = _MEMORY[self._model.device.type] // self._model.bytes_per_token
        waiting = list(forms)
        for start in range(0, len(waiting), _SORTED):
            some = waiting[start : start + _SORTED]
            group: list[int] = []
            for place in sorted(some, key=lambda place: (forms[place].shape, forms[place].size)):
                form = forms[place]
                full = len(group) == _TOGETHER or form.size * (len(group) + 1) > room
                if group and (full or forms[group[0]].shape != form.shape):
                    yield group
                    group = []
                group.append(place)
            if group:
                yield group

    def _choose(self, forms: "Sequence[Form]") -> list[Completion]:
        """All decisions of some requests of one shape: each time all their next ones."""
        import torch

        memory = Memory(len(forms), max(form.size for form in forms))
        last = self._prefill([form.prompt for form in forms], memory)
        before = [len(form.prompt) for form in forms]
        picks, logprobs = [], []
        for step, gap in enumerate((*forms[0].shape, None)):
            ids = _table([form.choices[step] for form in forms]).to(last.device)
            likely = self._model.allowed(last, ids)
            pick = likely.argmax(1, keepdim=True)  # of equals the first
            picks.append(pick)
            logprobs.append(likely)
            if gap is None:
                break
            forced = torch.tensor([form.between[step] for form in forms], dtype=torch.long)
            new = torch.cat([ids.gather(1, pick), forced.view(len(forms), gap).to(last.device)], 1)
            hidden = self._model.read(
                new.flatten(), [1 + gap] * len(forms), before, memory
            ).unflatten(0, (-1, 1 + gap))
            last = hidden[:, -1]
            before = [count + 1 + gap for count in before]
        chosen = torch.cat(picks, 1).tolist()
        told = [some.tolist() for some in logprobs]
        return [
            _chosen(form, chosen[row], [some[row] for some in told])
            for row, form in enumerate(forms)
        ]

    def _prefill(self, prompts: Sequence[Sequence[int]], memory: Memory) -> "torch.Tensor":
        """Each prompt's last hidden state, all else kept in the memory."""
        import torch

        found = []
        for pieces in passes([len(prompt) for prompt in prompts], self._budget):
            hidden = self._read(prompts, pieces, memory, pieces[0].document)
            end = 0
            for piece in pieces:
                end += piece.end - piece.start
                if piece.end == len(prompts[piece.document]):
                    found.append(hidden[end - 1])
        return torch.stack(found)


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens of a document that one pass reads."""

    document: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Form:
    """A request for decisions, as it is read."""

    prompt: Sequence[int]
    """With what is written before the first decision."""
    choices: Sequence[Sequence[int]]
    """By decision, the tokens that it allows."""
    between: Sequence[Sequence[int]]
    """What is written after each decision but the last."""

    @classmethod
    def of(cls, request: Choosing) -> "Form":
        """The form of a request."""
        places = request.decisions
        written = [step[0] for step in request.steps]
        return cls(
            [*request.tokens, *written[: places[0]]],
            [request.steps[place] for place in places],
            [written[a + 1 : b] for a, b in pairwise(places)],
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """How many tokens are written after each decision but the last."""
        return tuple(len(some) for some in self.between)

    @property
    def size(self) -> int:
        """So many tokens are read in all."""
        return len(self.prompt) + sum(self.shape) + len(self.between)


_NOTHING = Refused(reason="the model gave no number")


def passes(lengths: Sequence[int], budget: int) -> Iterator[list[Piece]]:
    """Documents in their order, as many as fit a pass; one that fits none alone, in pieces."""
    waiting: list[Piece] = []
    used = 0
    for document, length in enumerate(lengths):
        if waiting and used + length > budget:
            yield waiting
            waiting, used = [], 0
        if length > budget:
            for start in range(0, length, budget):
                yield [Piece(document, start, min(start + budget, length))]
            continue
        waiting.append(Piece(document, 0, length))
        used += length
    if waiting:
        yield waiting


def _scored(
    requests: Sequence[Scoring], pieces: Sequence[Piece]
) -> tuple[list[int], list[int], list[int]]:
    """Places in the pass whose next token is scored, those tokens, and how many by piece."""
    at: list[int] = []
    targets: list[int] = []
    counts = []
    offset = 0
    for piece in pieces:
        request = requests[piece.document]
        length = len(request.tokens)
        start = max(piece.start, length - request.scored - 1)
        end = max(start, min(piece.end, length - 1))
        at.extend(range(offset + start - piece.start, offset + end - piece.start))
        targets.extend(request.tokens[start + 1 : end + 1])
        counts.append(end - start)
        offset += piece.end - piece.start
    return at, targets, counts


def _table(choices: Sequence[Sequence[int]]) -> "torch.Tensor":
    """Rows of one width: the first is repeated, so that a repetition is never picked before it."""
    import torch

    width = max(map(len, choices))
    return torch.tensor([[*some, *[some[0]] * (width - len(some))] for some in choices])


def _chosen(form: Form, picks: Sequence[int], logprobs: Sequence[Sequence[float]]) -> Completion:
    told = [list(some[: len(choice)]) for some, choice in zip(logprobs, form.choices, strict=True)]
    if any(value != value for value in chain.from_iterable(told)):
        return _NOTHING
    return Chosen(picks=list(picks), logprobs=told)
