"""A causal model of transformers in this process: safetensors alone, no code of its own."""

from typing import TYPE_CHECKING

from raters.engines.onednn import use_onednn
from raters.engines.options import Device, Dtype

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_model(
    directory: str, dtype: Dtype, device: Device, attention: str | None = None
) -> "PreTrainedModel":
    """The model, ready for inference on the device; `attention` names an implementation of it."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        directory,
        dtype=getattr(torch, dtype),
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        **({"attn_implementation": attention} if attention else {}),
    )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.eval().to(torch.device(device))
    if device == "cpu":
        use_onednn(model)
    return model
