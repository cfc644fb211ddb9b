"""The module: what is trained, how fast, and that no output depends on other rows."""

import numpy as np
import pytest
import torch

from automodel.nets._training import give_generator
from automodel.nets.bert._module import BertModule, HiddenDropout, layers_of
from automodel.nets.bert._pretrained import load_pretrained
from automodel.nets.bert._training import load_encoder

CONFIG = {
    "model_type": "bert",
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def make(**options):
    return BertModule(CONFIG, 2, **options)


def make_inputs(*lengths):
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 30, mask.shape, generator=generator)
    return {"ids": ids * mask, "mask": mask}


def trained(module):
    return {n for n, p in module.named_parameters() if p.requires_grad}


def test_layers_are_those_of_the_encoder():
    assert len(layers_of(make().encoder)) == 3


@pytest.mark.parametrize(
    ("layers", "first"), [("head", 3), (1, 2), (2, 1), (3, 0), (9, 0)]
)
def test_the_last_layers_are_trained(layers, first):
    module = make(layers=layers)
    names = {f"encoder.encoder.layer.{i}." for i in range(first, 3)}
    expected = {
        name
        for name, _ in module.named_parameters()
        if name.startswith("head.") or name.startswith(tuple(names))
    }
    assert trained(module) == expected
    assert module.frozen == {n for n, _ in module.named_parameters()} - expected


def test_all_layers_include_the_embeddings():
    module = make(layers="all")
    assert module.frozen == set()
    assert "encoder.embeddings.word_embeddings.weight" in trained(module)


def test_learning_rates_fall_with_the_depth():
    module = make(head_rate=8.0, layer_decay=0.5)
    rates = {name: p.lr_factor for name, p in module.named_parameters()}
    assert rates["head.weight"] == rates["head.bias"] == 8.0
    names = [f"encoder.encoder.layer.{i}.output.dense.weight" for i in (2, 1, 0)]
    names.append("encoder.embeddings.word_embeddings.weight")
    assert [rates[name] for name in names] == [1.0, 0.5, 0.25, 0.125]


def test_padding_changes_nothing():
    module = make().eval()
    torch.nn.init.normal_(module.head.weight)
    together = module(**make_inputs(3, 9, 1))
    inputs = make_inputs(3, 9, 1)
    for row, length in enumerate((3, 9, 1)):
        alone = {name: value[row : row + 1, :length] for name, value in inputs.items()}
        torch.testing.assert_close(module(**alone), together[row : row + 1])


def test_dropout_draws_from_the_generator_of_the_training_alone():
    module = make(dropout=0.3, layers=1).train()
    torch.nn.init.normal_(module.head.weight)
    before = torch.get_rng_state()
    outputs = []
    for _ in range(2):
        give_generator(module, torch.Generator().manual_seed(0))
        outputs.append(module(**make_inputs(5, 7)))
    torch.testing.assert_close(*outputs)
    assert not torch.equal(outputs[0], module(**make_inputs(5, 7)))
    assert torch.equal(before, torch.get_rng_state())


def test_layers_that_are_not_trained_have_no_dropout():
    module = make(dropout=0.3, layers="head").train()
    dropouts = [m for m in module.encoder.modules() if isinstance(m, HiddenDropout)]
    assert dropouts
    assert not any(part.training for part in dropouts)
    assert module.dropout.training


def test_making_a_module_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    make()
    assert torch.equal(before, torch.get_rng_state())


def test_pretrained_weights_are_loaded_and_not_changed(weights):
    pretrained = load_pretrained(weights, "checksum")
    module = BertModule(pretrained.config, 2)
    load_encoder(module, pretrained.state)
    name = "encoder.embeddings.word_embeddings.weight"
    before = pretrained.state[name].copy()
    with torch.no_grad():
        module.get_parameter(name).add_(1)
    np.testing.assert_array_equal(pretrained.state[name], before)


def test_weights_of_another_encoder_are_refused(weights):
    pretrained = load_pretrained(weights, "checksum")
    with pytest.raises(RuntimeError):
        load_encoder(make(), pretrained.state)


def test_features_are_those_of_transformers(weights):
    transformers = pytest.importorskip("transformers")
    pretrained = load_pretrained(weights, "checksum")
    module = BertModule(pretrained.config, 2).eval()
    load_encoder(module, pretrained.state)
    encoder = transformers.BertModel.from_pretrained(weights).eval()
    inputs = make_inputs(6)
    expected = encoder(input_ids=inputs["ids"]).last_hidden_state.mean(1)
    torch.testing.assert_close(module.embed(**inputs), expected)
