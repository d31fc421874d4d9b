"""Which engine runs a stage's model, and how: parameters that all such stages share."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from pipeline.stages.base import OPERATION, File, MapStage
from raters.base import Engine
from raters.perplexity_model import PACKAGES, check_packages, model_directory

EngineName = Literal["transformers", "torch"]
"""What an engine is called in a configuration."""

Dtype = Literal["float32", "bfloat16"]
"""What a model computes in."""


Device = Literal["auto", "cpu", "cuda"]
"""Where a model runs; auto: on a GPU where there is one."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """All that decides how a model is run."""

    engine: EngineName
    directory: str
    dtype: Dtype
    device: Device = "auto"
    tokens_per_batch: int | None = None
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class ModelStage(MapStage):
    """A stage that asks a language model."""

    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", *PACKAGES)
    seconds: ClassVar[float] = 600

    engine: EngineName = "transformers"
    model: File = "shipped"
    dtype: Dtype = "float32"
    device: Annotated[Device, OPERATION] = "auto"
    tokens_per_batch: Annotated[int | None, OPERATION] = None
    threads: Annotated[int, OPERATION] = 1

    def file_of(self, value: str) -> str:
        """The model's directory: where it lies, or that it is the shipped one, says nothing."""
        return str(model_directory(value))

    def check(self) -> None:
        """The packages must be there."""
        for name, value in (("tokens_per_batch", self.tokens_per_batch), ("threads", self.threads)):
            if value is not None and value < 1:
                raise ValueError(f"{name}: should be 1 or more")
        check_packages()

    def open_engine(self) -> Engine:
        """The engine, loaded once a process."""
        directory = str(model_directory(self.model))
        return open_engine(
            EngineOptions(
                engine=self.engine,
                directory=directory,
                dtype=self.dtype,
                device=self.device,
                tokens_per_batch=self.tokens_per_batch,
                threads=self.threads,
            )
        )


@lru_cache(maxsize=1)
def open_engine(options: EngineOptions) -> Engine:
    """The engine that the options name, loaded once a process."""
    if options.engine == "torch":
        from raters.engines.packed import PackedEngine

        return PackedEngine(
            options.directory,
            options.dtype,
            device=options.device,
            tokens_per_batch=options.tokens_per_batch,
            threads=options.threads,
        )
    from raters.engines.transformers import TransformersEngine

    return TransformersEngine(options.directory, options.dtype)
