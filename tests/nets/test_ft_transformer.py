"""FT-Transformer: what its module promises."""

import pytest
import torch
from torch import nn

from automodel.nets._attention import Attention
from automodel.nets._ft_transformer_module import FTTransformerModule
from tests.nets import modules


def make(n_blocks=2, **options):
    return FTTransformerModule(
        5, [4, 11], 2, n_blocks=n_blocks, width=16, n_heads=4, **options
    )


@pytest.mark.parametrize("n_blocks", [1, 3])
@pytest.mark.parametrize("attention_dropout", [0.0, 0.2])
def test_module_keeps_the_contract(n_blocks, attention_dropout):
    def start():
        options = {"attention_dropout": attention_dropout, "residual_dropout": 0.1}
        return make(n_blocks, **options)

    dense, codes = modules.rows()
    assert modules.initialized(start(), dense, codes)(dense, codes).shape == (40, 2)
    modules.check_start_repeats(start)
    modules.check_training_uses_its_own_generator(start)
    modules.check_gradients_reach_all(start)
    modules.check_rows_are_independent(start)
    modules.check_precisions_agree(start)


def test_every_column_becomes_a_token_by_itself():
    dense, codes = modules.rows()
    module = modules.initialized(make(), dense, codes)
    before = module.tokenizer(dense, codes)
    assert before.shape == (40, 1 + 5 + 2, 16)
    other_dense, other_codes = dense.clone(), codes.clone()
    other_dense[:, 1] += 1
    other_codes[:, 1] = (codes[:, 1] + 1) % 11
    changed = (module.tokenizer(other_dense, other_codes) != before).any(dim=2)
    expected = [False, False, True, False, False, False, False, True]
    assert changed.all(dim=0).tolist() == expected


def test_tables_of_one_kind_of_column_are_taken():
    for n_dense, cardinalities in ((3, []), (0, [4, 11])):
        dense, codes = modules.rows(10, n_dense, cardinalities)
        module = FTTransformerModule(n_dense, cardinalities, 1, width=8, n_heads=2)
        modules.initialized(module, dense, codes)
        assert module(dense, codes).shape == (10, 1)


def test_attention_is_that_of_torch():
    own = Attention(16, 4, 0.0).double()
    own.initialize(modules.seeded())
    theirs = nn.MultiheadAttention(16, 4, batch_first=True).double()
    theirs.in_proj_weight.data = torch.cat([own.query.weight, own.key_value.weight])
    theirs.in_proj_bias.data.zero_()
    theirs.out_proj.weight.data, theirs.out_proj.bias.data = (
        own.out.weight,
        own.out.bias,
    )
    x = torch.randn(3, 7, 16, dtype=torch.float64, generator=modules.seeded())
    torch.testing.assert_close(own(x, x), theirs(x, x, x)[0])


def test_attention_with_dropout_is_on_average_that_without():
    attention = Attention(8, 2, 0.25)
    attention.initialize(modules.seeded())
    attention.dropout.generator = modules.seeded()
    x = torch.randn(2, 5, 8, generator=modules.seeded())
    many = x.repeat(4000, 1, 1)
    mean = attention.train()(many, many).unflatten(0, (4000, 2)).mean(dim=0)
    torch.testing.assert_close(mean, attention.eval()(x, x), atol=0.02, rtol=0)


def test_the_last_block_computes_the_first_token_alone():
    dense, codes = modules.rows()
    module = modules.initialized(make(), dense, codes).eval()
    shapes = []
    for block in module.blocks:
        block.register_forward_hook(lambda b, args, out: shapes.append(out.shape))
    module(dense, codes)
    assert shapes == [(40, 8, 16), (40, 1, 16)]


def test_parts_of_the_rows_give_what_all_give():
    dense, codes = modules.rows(100)
    module = modules.initialized(make(), dense, codes).double().eval()
    whole = module(dense.double(), codes)
    module.rows_at_once = 7
    torch.testing.assert_close(module(dense.double(), codes), whole)


def test_wide_tables_are_predicted_in_small_parts():
    wide = FTTransformerModule(2000, [], 1)
    narrow = FTTransformerModule(10, [], 1)
    assert wide.rows_at_once < 20 < 1000 < narrow.rows_at_once


def test_matrices_decay_but_not_tokens_biases_and_norms():
    decaying = {n for n, p in make().named_parameters() if getattr(p, "decays", False)}
    assert "blocks.0.attention.query.weight" in decaying
    assert "head.weight" in decaying
    assert not any("tokenizer" in n or "norm" in n or "bias" in n for n in decaying)


def test_what_no_line_can_tell_apart_is_learned():
    module = FTTransformerModule(2, [], 2, n_blocks=2, width=16, n_heads=2)
    assert modules.trained_error(module, 3e-3, 300) < 0.1
