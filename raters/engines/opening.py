"""Engines by name, each loaded once a process and imported when it is first needed."""

from collections.abc import Callable, Mapping
from functools import cache

from raters.base import Engine, EngineError
from raters.engines.options import EngineName, EngineOptions
from raters.perplexity_model import check_packages


@cache
def open_engine(options: EngineOptions) -> Engine:
    """The engine that the options name, loaded once a process; EngineError where it can't be."""
    try:
        check_packages(options.engine)
    except ValueError as error:
        raise EngineError(str(error)) from None
    return _OPENERS[options.engine](options)


def _open_transformers(options: EngineOptions) -> Engine:
    from raters.engines.transformers import TransformersEngine

    return TransformersEngine(options.directory, options.dtype, options.device)


def _open_torch(options: EngineOptions) -> Engine:
    from raters.engines.packed import PackedEngine

    return PackedEngine(
        options.directory,
        options.dtype,
        device=options.device,
        tokens_per_batch=options.tokens_per_batch,
        threads=options.threads,
    )


def _open_vllm(options: EngineOptions) -> Engine:
    from raters.engines.vllm import VllmEngine

    return VllmEngine(options)


def _open_server(options: EngineOptions) -> Engine:
    from raters.engines.server import ServerEngine

    return ServerEngine(options)


_OPENERS: Mapping[EngineName, Callable[[EngineOptions], Engine]] = {
    "transformers": _open_transformers,
    "torch": _open_torch,
    "vllm": _open_vllm,
    "server": _open_server,
}
