"""The engine that runs a model with vLLM in this process' children: on GPUs, or on the processor.

What bounds memory, whatever is asked: vLLM makes logits of its whole vocabulary for every token
that it is to score, for all tokens of a step at once, and does not count them when it measures what
the card has left for its cache (its issues 1532, 5907 and 38830: a long prompt ends the engine for
want of memory). Here a step has at most `max_num_batched_tokens` tokens, of one long request or of
many (chunked prefill, which cuts a text of 100,000 tokens into as many steps as it takes); one
probability a token is asked for; and room for a step's logits is set aside before vLLM measures:
weights, cache and logits stay together in `gpu_memory_utilization` of the card. On the processor
the cache has 1 GiB. This process holds the token ids of at most 512 requests and 524,288 tokens.
"""

import atexit
import itertools
import math
import os
from typing import TYPE_CHECKING

from raters.base import EngineDiedError, EngineError, Scored, Scoring
from raters.engines.concurrency import ConcurrentEngine
from raters.engines.drafts import Draft, RefusalError, Written
from raters.engines.keeper import Keeper
from raters.engines.options import EngineOptions

if TYPE_CHECKING:
    from vllm import AsyncLLMEngine, RequestOutput
    from vllm.config import ModelConfig

_SEQUENCES = 256
"""So many requests share a step."""
_CPU_CACHE = 1 << 30
_LOGIT_BYTES = 16
"""A scored token and one of the vocabulary: its logit, in the model's type and in float32, its log
probability, and a comparison with that of the token that stands there."""
_ENVIRONMENT = {
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a process with threads must not be forked
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}


class VllmEngine(ConcurrentEngine):
    """Scores and chooses within tolerance of a plain forward pass, whatever else is run with it.

    In float32 nll is within 1e-4 nats a token, in bfloat16 within 3e-3 on the mean of documents and
    2e-2 for 99 of 100 of 32 tokens or more; choices are equal but where two tokens tie within that.
    """

    def __init__(self, options: EngineOptions) -> None:
        super().__init__(2 * _SEQUENCES, 1 << 19)
        self._options = options
        self._ids = itertools.count()
        self._llm: AsyncLLMEngine | None = None
        self._keeper: Keeper | None = None
        atexit.register(self.close)
        self._runner.run(self._prepare())

    def close(self) -> None:
        """End vLLM's processes."""
        atexit.unregister(self.close)
        self._end()
        super().close()

    async def _prepare(self) -> None:
        """Start vLLM; anew where it died."""
        if self._llm is not None:
            return
        self._keeper = Keeper()
        try:
            self._llm = _start(self._options)
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        llm, self._llm = self._llm, None
        if llm is not None:
            llm.shutdown()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close()

    async def _score(self, request: Scoring) -> Scored:
        # The last token is written, and can be no other: a text may fill the model's window.
        *before, last = request.tokens
        output = await self._generate(
            before, max_tokens=1, prompt_logprobs=0, logprobs=0, allowed_token_ids=[last]
        )
        found = [*(output.prompt_logprobs or ()), *(output.outputs[0].logprobs or ())]
        if len(found) != len(request.tokens) or not all(found[1:]):
            raise RefusalError("vLLM does not give each token its probability")
        told = zip(found[-request.scored :], request.tokens[-request.scored :], strict=True)
        return Scored(nll=-math.fsum(known[token].logprob for known, token in told if known))

    async def _write(self, draft: Draft) -> Written:
        allowed = list(draft.allowed)
        output = await self._generate(
            list(draft.tokens),
            max_tokens=draft.length,
            allowed_token_ids=allowed,
            logprob_token_ids=allowed,
        )
        return _written(output)

    async def _generate(
        self, tokens: list[int], max_tokens: int, **asked: int | list[int]
    ) -> "RequestOutput":
        from vllm import SamplingParams
        from vllm.exceptions import VLLMClientError, VLLMServerError
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.exceptions import EngineGenerateError

        if self._llm is None:
            raise EngineDiedError(self._died())
        _check(tokens, max_tokens, self._llm.model_config)
        last: RequestOutput | None = None
        try:
            params = SamplingParams(
                temperature=0.0,
                ignore_eos=True,
                detokenize=False,
                output_kind=RequestOutputKind.FINAL_ONLY,
                max_tokens=max_tokens,
                **asked,
            )
            prompt = tokens_input(tokens)
            async for output in self._llm.generate(prompt, params, str(next(self._ids))):
                last = output
        except (EngineGenerateError, VLLMClientError, ValueError) as error:
            raise RefusalError(f"vLLM refuses it: {type(error).__name__}") from None
        except VLLMServerError:
            self._end()
            raise EngineDiedError(self._died()) from None
        if last is None or not last.finished or len(last.outputs) != 1:
            raise RefusalError("vLLM gave no answer")
        return last

    def _died(self) -> str:
        return (
            f"vLLM's process for {self._options.directory} ended; what it wrote above says why. "
            "Where memory was short, lower max_num_batched_tokens or gpu_memory_utilization"
        )


def _check(tokens: list[int], max_tokens: int, model: "ModelConfig") -> None:
    """RefusalError where vLLM would refuse, or, of an unknown token, die."""
    wanted, most = len(tokens) + max_tokens, model.max_model_len
    if wanted > most:
        raise RefusalError(f"{wanted} tokens are more than the {most} that the model reads")
    if min(tokens) < 0 or max(tokens) >= model.get_vocab_size():
        raise RefusalError("it has a token that is not one of the model's")


def _written(output: "RequestOutput") -> Written:
    (answer,) = output.outputs
    logprobs = [
        {token: told.logprob for token, told in known.items()} for known in answer.logprobs or ()
    ]
    return Written(tokens=list(answer.token_ids), logprobs=logprobs)


def _start(options: EngineOptions) -> "AsyncLLMEngine":
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from vllm import AsyncEngineArgs, AsyncLLMEngine
    from vllm.platforms import current_platform

    cpu = current_platform.is_cpu()
    if cpu:
        # What torch compiles needs a compiler, which not every machine has, and half a minute.
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    try:
        arguments = AsyncEngineArgs(
            model=options.directory,
            dtype=options.dtype,
            skip_tokenizer_init=True,
            generation_config="vllm",
            load_format="safetensors",
            max_model_len=-1,  # as long as the model and the cache allow
            max_num_seqs=_SEQUENCES,
            max_num_batched_tokens=options.max_num_batched_tokens,
            enable_chunked_prefill=True,
            enable_prefix_caching=True,
            tensor_parallel_size=options.tensor_parallel,
            enforce_eager=cpu,
            disable_log_stats=True,
        )
        if cpu:
            arguments.kv_cache_memory_bytes = _CPU_CACHE
        else:
            arguments.gpu_memory_utilization = share(
                options, _vocabulary(options.directory), current_platform.get_device_total_memory()
            )
        return AsyncLLMEngine.from_engine_args(arguments)
    except Exception as error:
        raise EngineError(f"vLLM does not start with {options.directory}: {error}") from error


def _vocabulary(directory: str) -> int:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(directory, local_files_only=True)
    size: int = config.get_text_config().vocab_size
    return size


def share(options: EngineOptions, vocabulary: int, memory: int) -> float:
    """The share of a card's memory that is left for vLLM to plan with; ValueError where none is."""
    logits = options.max_num_batched_tokens * vocabulary * _LOGIT_BYTES
    left = options.gpu_memory_utilization - logits / memory
    if left <= 0:
        raise ValueError(
            f"the logits of {options.max_num_batched_tokens} tokens take {logits >> 20} MiB; "
            "lower max_num_batched_tokens"
        )
    return left
