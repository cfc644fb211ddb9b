"""Encoders in plain values: read from a folder, or new ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import nn

from automodel.nets._device import seeded_draws
from automodel.nets._shared_arrays import SharedArrays
from automodel.nets._transformers import load_model, silent
from automodel.nets.bert._tokens import learned_tokenizer, n_tokens_of

WITH_OFFSET = ("roberta", "xlm-roberta", "camembert", "mpnet")  # of two positions
SCRATCH = {  # an encoder that learns from few texts in seconds
    "model_type": "bert",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 256,
}
DEVIATION = 0.02  # of the first weights of BERT


@dataclass(frozen=True)
class Pretrained:
    """An encoder in plain values.

    Parameters
    ----------
    config : dict
        Configuration of the encoder, as in the file `config.json`.
    tokenizer : str
        Its tokenizer, in the JSON format of the library `tokenizers`.
    state : dict of ndarray
        Its weights, by their names in `BertModule`. Nobody may change them.
    checksum : str, default=""
        Identifies weights that were read from a folder.
    """

    config: dict[str, Any]
    tokenizer: str
    state: dict[str, np.ndarray]
    checksum: str = ""

    @property
    def max_length(self) -> int:
        """The most tokens that the encoder can take."""
        most = self.config.get("max_position_embeddings") or 512
        return most - 2 * (self.config["model_type"] in WITH_OFFSET)

    def shared(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return some of the weights, which all models in a process share."""
        arrays = {name: self.state[name] for name in names}
        return SharedArrays(self.checksum, arrays) if self.checksum else arrays


@lru_cache(maxsize=1)
def load_pretrained(folder: str, checksum: str) -> Pretrained:
    """Return the encoder in a folder, without any use of the network.

    Raises
    ------
    WeightsError
        If the weights cannot be loaded, or are incomplete.
    """
    tokenizer, encoder = load_model(folder)
    encoder.pooler = None
    written = tokenizer.backend_tokenizer.to_str()
    return Pretrained(encoder.config.to_dict(), written, _state_of(encoder), checksum)


def from_scratch(texts: Sequence[str], seed: int) -> Pretrained:
    """Return a small encoder with random weights, which knows the words of texts."""
    tokenizer = learned_tokenizer(texts)
    config = {**SCRATCH, "vocab_size": n_tokens_of(tokenizer)}
    encoder = new_encoder(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=DEVIATION, generator=generator)
    return Pretrained(config, tokenizer, _state_of(encoder))


def new_encoder(config: dict[str, Any]) -> nn.Module:
    """Return an encoder of a configuration, with any weights and without dropout."""
    from transformers import AutoModel
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    rates = {name for name, v in config.items() if "dropout" in name and v is not None}
    config = {**config, **dict.fromkeys(rates, 0.0)}
    kind = CONFIG_MAPPING[config["model_type"]]
    with silent(), seeded_draws(0):
        encoder = AutoModel.from_config(kind.from_dict(config))
    encoder.pooler = None
    return encoder.float()


def _state_of(encoder: nn.Module) -> dict[str, np.ndarray]:
    state = encoder.state_dict()
    return {f"encoder.{name}": value.numpy() for name, value in state.items()}
