"""The files of pretrained text encoders, which are checked without loading them."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from automodel.exceptions import WeightsError

UNIVERSAL = "universal-sentence-encoder"
UNIVERSAL_FILES = ("weights.npz", "sp.model")
UNIVERSAL_WIDTH = 512
ENCODERS = (  # values of `model_type` in the configuration of transformers
    *("albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra"),
    *("ernie", "modernbert", "mpnet", "roberta", "xlm-roberta"),
)
TOKENIZERS = (
    ("tokenizer.json",),
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
    ("sentencepiece.bpe.model",),
    ("spiece.model",),
    ("spm.model",),
)
WORDS = ("word_embeddings.weight", "tok_embeddings.weight")  # ends of names of tensors
INNER = {  # ends of those of the layers that widen, where they are not the usual one
    "albert": ".ffn.weight",
    "distilbert": ".ffn.lin1.weight",
    "modernbert": ".mlp.Wi.weight",
}
USUAL_INNER = ".intermediate.dense.weight"
POINTER = b"version https://git-lfs"
BLOCK = 2**20


def is_universal(folder: Path) -> bool:
    """Tell whether a folder holds the files of a universal sentence encoder."""
    return all((folder / name).is_file() for name in UNIVERSAL_FILES)


def is_text_encoder(folder: Path) -> bool:
    """Tell whether a model reads texts, whether or not its files are complete."""
    if is_universal(folder):
        return True
    return read_json(folder / "config.json").get("model_type") in ENCODERS


def kind_and_width(folder: Path) -> tuple[str, int]:
    """Return the architecture of a text encoder and the columns of its embeddings.

    Raises
    ------
    WeightsError
        If the files are incomplete or belong to another architecture.
    """
    if folder.is_file():
        raise WeightsError(
            f"The weights {str(folder)!r} are a file. Name the folder that holds it."
        )
    if not folder.is_dir():
        raise WeightsError(f"The folder of weights {str(folder)!r} does not exist.")
    if is_universal(folder):
        return UNIVERSAL, UNIVERSAL_WIDTH
    config = read_json(folder / "config.json")
    kind = config.get("model_type")
    if kind not in ENCODERS:
        raise WeightsError(
            f"The folder {str(folder)!r} holds a model of type {kind!r}. Embeddings of "
            f"texts need an encoder, whose type is one of {', '.join(ENCODERS)}."
        )
    width = _width_of(folder, config)
    _check_tokenizer(folder)
    shapes: dict[str, list[int]] = {}
    files = weight_files(folder)
    for file in files:
        check_is_stored(file)
        if file.suffix == ".safetensors":
            header, _ = read_header(file)
            shapes |= {name: tensor["shape"] for name, tensor in header.items()}
        elif not zipfile.is_zipfile(file):
            raise _incomplete(file)
    if files[0].suffix == ".safetensors":
        _check_shapes(folder, config, width, shapes)
    return kind, width


def weight_files(folder: Path) -> list[Path]:
    """Return the files with the weights, which may be split into several."""
    if folder.is_file():
        return [folder]
    if is_universal(folder):
        return [folder / UNIVERSAL_FILES[0]]
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            parts = sorted(set(read_json(index).get("weight_map", {}).values()))
            return [folder / part for part in parts]
    raise WeightsError(
        f"The folder of weights {str(folder)!r} is incomplete: it has no file "
        "'model.safetensors'."
    )


def checksum_of(folder: Path) -> str:
    """Return the SHA-256 of the weights in a folder or file, in hexadecimal digits."""
    files = weight_files(folder)
    states = [(file, *_state_of(file)) for file in files]
    return _checksum(tuple(states))


def license_of(folder: Path) -> str:
    """Return the licence that the model card names, or "unknown"."""
    card = folder / "README.md"
    if card.is_file():
        text = card.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"\A---\n(?:.*\n)*?license:[ \t]*(\S+)", text)
        if found:
            return found[1]
    return "unknown"


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a file of JSON.

    Raises
    ------
    WeightsError
        If there is no such file, or it cannot be read.
    """
    folder = str(path.parent)
    if not path.is_file():
        raise WeightsError(
            f"The folder of weights {folder!r} is incomplete: it has no file "
            f"{path.name!r}."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"The file {str(path)!r} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"The file {str(path)!r} holds no JSON object.")
    return content


def _state_of(file: Path) -> tuple[int, int]:
    check_is_stored(file)
    state = file.stat()
    return state.st_size, state.st_mtime_ns


@lru_cache(maxsize=32)
def _checksum(states: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, *_ in states:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()


def _width_of(folder: Path, config: dict[str, Any]) -> int:
    """Return the number of columns of an embedding, as the configuration says."""
    width = config.get("hidden_size") or config.get("dim")
    n_heads = config.get("num_attention_heads") or config.get("n_heads") or 1
    file, kind = str(folder / "config.json"), config["model_type"]
    if not isinstance(width, int) or not isinstance(n_heads, int) or width < 1:
        raise WeightsError(f"The file {file!r} does not say how wide the encoder is.")
    if n_heads < 1 or width % n_heads:
        raise WeightsError(
            f"The file {file!r} is wrong: the {width} columns of the encoder cannot be "
            f"divided among {n_heads} heads."
        )
    said = str((config.get("architectures") or [""])[0])
    if said and not said.lower().startswith(kind.replace("-", "")):
        raise WeightsError(
            f"The file {file!r} contradicts itself: the model is of type {kind!r} and "
            f"of the architecture {said!r}."
        )
    return width


def _check_tokenizer(folder: Path) -> None:
    file = folder / "tokenizer.json"
    if file.is_file():
        check_is_stored(file)
        if not isinstance(read_json(file).get("model"), dict):
            raise WeightsError(f"The file {str(file)!r} holds no tokenizer.")
    for names in TOKENIZERS:
        if all((folder / name).is_file() for name in names):
            return
    raise WeightsError(
        f"The folder of weights {str(folder)!r} is incomplete: it has no tokenizer, "
        "such as the file 'tokenizer.json'."
    )


def check_is_stored(file: Path) -> None:
    """Raise an error if there is no such file, or a pointer in its place."""
    if not file.is_file():
        raise WeightsError(
            f"The folder of weights {str(file.parent)!r} is incomplete: it has no file "
            f"{file.name!r}."
        )
    with file.open("rb") as stream:
        if stream.read(len(POINTER)) == POINTER:
            raise WeightsError(
                f"The file {str(file)!r} is a pointer of Git LFS. Download the weights "
                "themselves with: git lfs pull"
            )


def read_header(file: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """Return what a file of safetensors says of its tensors, and where these begin.

    Raises
    ------
    WeightsError
        If the file is incomplete.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > size - 8:
            raise _incomplete(file)
        try:
            header = json.loads(stream.read(length))
            tensors = {n: t for n, t in header.items() if n != "__metadata__"}
            end = max((t["data_offsets"][1] for t in tensors.values()), default=0)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _incomplete(file) from error
    if size < 8 + length + end:
        raise _incomplete(file)
    return tensors, 8 + length


def _check_shapes(
    folder: Path, config: dict, width: int, shapes: dict[str, list[int]]
) -> None:
    """Raise an error if the weights are not those of the configuration."""
    n_words, kind = config.get("vocab_size"), config["model_type"]
    words = [shape for name, shape in shapes.items() if name.endswith(WORDS)]
    has_words = [n_words, config.get("embedding_size") or width] in words
    inner = config.get("intermediate_size") or config.get("hidden_dim")
    n_inner = 2 * inner if kind == "modernbert" and inner else inner
    end = INNER.get(kind, USUAL_INNER)
    found_inner = [shape for name, shape in shapes.items() if name.endswith(end)]
    has_inner = bool(found_inner) and all(
        shape == [n_inner or shape[0], width] for shape in found_inner
    )
    found = [re.search(r"\blayers?\.(\d+)\.", name) for name in shapes]
    n_layers = 1 + max((int(match[1]) for match in found if match), default=-1)
    expected = config.get("num_hidden_layers") or config.get("n_layers")
    has_layers = n_layers == expected or kind == "albert"  # which uses one repeatedly
    if not (has_words and has_inner and has_layers):
        raise WeightsError(
            f"The weights in {str(folder)!r} do not belong to its 'config.json', which "
            f"describes an encoder of type {kind!r} with {n_words} tokens and "
            f"{expected} layers of width {width}, and {inner} within."
        )


def _incomplete(file: Path) -> WeightsError:
    return WeightsError(
        f"The file {str(file)!r} is incomplete or damaged. Download it again."
    )
