"""Which engine runs a stage's model, and how: parameters that all such stages share."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from pipeline.stages.base import OPERATION, File, MapStage
from raters.base import Engine
from raters.perplexity_model import PACKAGES, check_packages, model_directory

EngineName = Literal["transformers"]
"""What an engine is called in a configuration."""

Dtype = Literal["float32", "bfloat16"]
"""What a model computes in."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """All that decides how a model is run."""

    engine: EngineName
    directory: str
    dtype: Dtype


@dataclass(frozen=True, kw_only=True)
class ModelStage(MapStage):
    """A stage that asks a language model."""

    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", *PACKAGES)
    seconds: ClassVar[float] = 600
    measures_copies: ClassVar[bool] = False

    engine: EngineName = "transformers"
    model: File = "shipped"
    dtype: Dtype = "float32"
    slice_rows: Annotated[int, OPERATION] = 2000

    def rows_per_slice(self) -> int:
        """As `slice_rows` says."""
        return self.slice_rows

    def load(self) -> None:
        """Load the model."""
        self.open_engine()

    def file_of(self, value: str) -> str:
        """The model's directory: where it lies, or that it is the shipped one, says nothing."""
        return str(model_directory(value))

    def check(self) -> None:
        """The packages must be there, and slices have rows."""
        if self.slice_rows < 1:
            raise ValueError("slice_rows: should be 1 or more")
        check_packages()

    def open_engine(self) -> Engine:
        """The engine, loaded once a process."""
        directory = str(model_directory(self.model))
        return open_engine(EngineOptions(engine=self.engine, directory=directory, dtype=self.dtype))


@lru_cache(maxsize=1)
def open_engine(options: EngineOptions) -> Engine:
    """The engine that the options name, loaded once a process."""
    from raters.engines.transformers import TransformersEngine

    return TransformersEngine(options.directory, options.dtype)
