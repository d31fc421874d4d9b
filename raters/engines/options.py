"""Which engine runs a model, and how."""

from dataclasses import dataclass
from typing import Literal

EngineName = Literal["transformers", "torch", "vllm", "server"]
"""What an engine is called in a configuration."""

Dtype = Literal["float32", "bfloat16"]
"""What a model computes in."""

Device = Literal["auto", "cpu", "cuda"]
"""Where a model runs in this process; auto takes an accelerator where there is one."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """All that decides how a model is run; the stage's parameters of the same names say what."""

    engine: EngineName
    directory: str
    dtype: Dtype
    url: str | None
    served_model: str | None
    api_key_env: str | None
    concurrency: int
    timeout: float
    patience: float
    tensor_parallel: int
    gpu_memory_utilization: float
    max_num_batched_tokens: int
    device: Device
    tokens_per_batch: int | None
    threads: int
