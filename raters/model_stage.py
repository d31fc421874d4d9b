"""What all stages share that ask a language model: its engine, and how that works."""

from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pipeline.stages.base import OPERATION, File
from raters.base import Engine
from raters.engines.opening import open_engine
from raters.engines.options import Device, Dtype, EngineName, EngineOptions
from raters.engines.packing import unfit
from raters.perplexity_model import (
    ModelFacts,
    check_packages,
    model_directory,
    read_config,
    read_facts,
)
from raters.rater_stage import RaterStage

_DOCUMENT, _START = 120.0, 300.0
"""Seconds for a document, and for a start of vLLM and a document."""
_SERVERS = ("url", "served_model", "api_key_env")
_POSITIVE = (
    *("concurrency", "timeout", "patience"),
    *("tensor_parallel", "gpu_memory_utilization", "max_num_batched_tokens"),
    *("tokens_per_batch", "threads"),
)


@dataclass(frozen=True, kw_only=True)
class ModelStage(RaterStage):
    """A stage that asks a language model."""

    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch", "transformers", "safetensors")
    seconds: ClassVar[float] = 600
    measures_copies: ClassVar[bool] = False

    engine: EngineName = "transformers"
    model: File = "shipped"
    dtype: Dtype = "float32"
    url: Annotated[str | None, OPERATION] = None
    """Of a server's interface, which ends in /v1 as a rule."""
    served_model: str | None = None
    """The name under which a server has the model, where it has more than one."""
    api_key_env: Annotated[str | None, OPERATION] = None
    """The environment variable that holds the server's key."""
    concurrency: Annotated[int, OPERATION] = 64
    """A server is sent so many requests at a time."""
    timeout: Annotated[float, OPERATION] = 120
    """Seconds that a server's answer may take."""
    patience: Annotated[float, OPERATION] = 300
    """Seconds that a server may fail, or be busy, before the work fails."""
    tensor_parallel: Annotated[int, OPERATION] = 1
    """vLLM spreads the model over so many cards."""
    gpu_memory_utilization: Annotated[float, OPERATION] = 0.9
    """The share of a card's memory that vLLM uses."""
    max_num_batched_tokens: Annotated[int, OPERATION] = 2048
    """vLLM reads so many tokens in a step."""
    device: Annotated[Device, OPERATION] = "auto"
    tokens_per_batch: Annotated[int | None, OPERATION] = None
    """`engine: torch` reads so many tokens at a time; by default as the device likes it."""
    threads: Annotated[int, OPERATION] = 1
    """`engine: torch` uses so many of a processor."""
    slice_rows: Annotated[int, OPERATION] = 2000

    def rows_per_slice(self) -> int:
        """As `slice_rows` says."""
        return self.slice_rows

    def least_seconds(self) -> float:
        """Enough for a document, and for what may come before it.

        vLLM may have to start anew, a server may be waited for.
        """
        if self.engine == "server":
            return max(_DOCUMENT, self.patience + 2 * self.timeout)
        return _START if self.engine == "vllm" else _DOCUMENT

    def accelerated(self) -> bool:
        """Whether the model runs on a GPU here; a server's are not ours to count."""
        if self.engine == "server" or self.device == "cpu":
            return False
        import torch

        return bool(torch.cuda.is_available())

    def load(self) -> None:
        """Load the model."""
        self.open_engine()

    def file_of(self, value: str) -> str:
        """The model's directory: where it lies, or that it is the shipped one, says nothing."""
        return str(model_directory(value))

    def versions(self) -> dict[str, str]:
        """Those of the machine that plans say nothing of one that runs vLLM."""
        if self.engine in ("vllm", "server"):
            return {"tokenizers": version("tokenizers")}
        return super().versions()

    def facts(self) -> ModelFacts:
        """How texts are laid out for the model; a server has its weights elsewhere."""
        return read_facts(Path(self.directory), weights=self.engine != "server")

    @property
    def directory(self) -> str:
        """The model's directory."""
        return str(model_directory(self.model))

    def check(self) -> None:
        """The engine's packages must be there, a server's parameters, a model that it can run.

        vLLM need only be where documents are rated, so it is looked for when the model is loaded.
        """
        if self.engine != "vllm":
            check_packages(self.engine)
        if self.engine == "torch" and (reason := unfit(read_config(Path(self.directory)))):
            raise ValueError(
                f"model: documents can't be packed in a row for it ({reason}); "
                "`engine: transformers` runs it"
            )
        if self.slice_rows < 1:
            raise ValueError("slice_rows: should be 1 or more")
        if self.engine == "server":
            _check_url(self.url)
        elif given := [name for name in _SERVERS if getattr(self, name) is not None]:
            raise ValueError(f"{given[0]}: is for `engine: server`, and this is {self.engine}")
        counts = {name: getattr(self, name) for name in _POSITIVE}
        if bad := [name for name, value in counts.items() if value is not None and value <= 0]:
            raise ValueError(f"{bad[0]}: should be more than 0")
        if self.gpu_memory_utilization > 1:
            raise ValueError("gpu_memory_utilization: should be at most 1")

    def options(self) -> EngineOptions:
        """What the engine is opened with."""
        names = [field.name for field in fields(EngineOptions)]
        return EngineOptions(**{name: getattr(self, name) for name in names})

    def open_engine(self) -> Engine:
        """The engine, loaded once a process; EngineError where it can't be."""
        return open_engine(self.options())


def _check_url(url: str | None) -> None:
    if url is None:
        raise ValueError("url: `engine: server` needs it, as in http://localhost:8000/v1")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("url: should be of a form as http://localhost:8000/v1")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("url: should hold no key; `api_key_env` names a variable that does")
