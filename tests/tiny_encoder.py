"""Random text encoders of a few kilobytes, which transformers can load."""

import json
import math
from pathlib import Path

import numpy as np

from tests.texts import BAD, GOOD, OTHERS

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = (*GOOD, *BAD, *OTHERS, "food", "service", "very")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = (*SPECIAL, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS), ".")
POSITIONS = 64


def write_encoder(folder, *, width=16, n_layers=2, seed=0, **config):
    """Write a BERT of random weights into a new folder, and return the folder."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    said = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_attention_heads": 2,
        "num_hidden_layers": n_layers,
        "max_position_embeddings": POSITIONS,
        "vocab_size": len(VOCABULARY),
        "type_vocab_size": 2,
        "pad_token_id": 0,
        **config,
    }
    (folder / "config.json").write_text(json.dumps(said))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    card = "---\nlanguage: en\nlicense: mit\n---\nA random encoder."
    (folder / "README.md").write_text(card)
    rng = np.random.default_rng(seed)
    write_tensors(folder / "model.safetensors", _tensors(rng, width, n_layers))
    return folder


def write_tensors(path, tensors):
    """Write arrays in the format of safetensors."""
    header, start = {}, 0
    for name, array in tensors.items():
        end = start + array.nbytes
        header[name] = {
            "dtype": "F32",
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
        start = end
    head = json.dumps(header).encode()
    body = b"".join(array.tobytes() for array in tensors.values())
    path.write_bytes(len(head).to_bytes(8, "little") + head + body)


def _tensors(rng, width, n_layers):
    shapes = {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), width),
        "embeddings.position_embeddings.weight": (POSITIONS, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        **_pair("embeddings.LayerNorm", width),
    }
    for i in range(n_layers):
        name = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            shapes |= _pair(f"{name}.attention.self.{part}", width, width)
        shapes |= _pair(f"{name}.attention.output.dense", width, width)
        shapes |= _pair(f"{name}.attention.output.LayerNorm", width)
        shapes |= _pair(f"{name}.intermediate.dense", 2 * width, width)
        shapes |= _pair(f"{name}.output.dense", width, 2 * width)
        shapes |= _pair(f"{name}.output.LayerNorm", width)
    return {name: _values(rng, name, shape) for name, shape in shapes.items()}


def _pair(name, *shape):
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _values(rng, name, shape):
    if "LayerNorm.weight" in name:
        return np.ones(shape, dtype=np.float32)
    scale = 1 / math.sqrt(shape[-1]) if len(shape) > 1 else 0.1
    if "embeddings" in name:
        scale = 1.0
    return (scale * rng.normal(size=shape)).astype(np.float32)
