"""Forward passes in NumPy return what the modules of torch do."""

import itertools
import threading

import numpy as np
import pytest
import torch

from automodel import nets
from automodel.nets._ft_transformer_module import FTTransformerModule
from automodel.nets._realmlp_module import MLPModule
from automodel.nets._resnet_module import ResNetModule
from automodel.nets._tabm_module import TabMModule
from automodel.nets.forward.activations import ACTIVATIONS
from automodel.nets.forward.ft_transformer import FTTransformerForward
from automodel.nets.forward.perceptron import realmlp
from automodel.nets.forward.resnet import ResNetForward
from automodel.nets.forward.tabm import TabMForward
from tests.nets import modules

EMBEDDINGS = ("none", "periodic", "piecewise")
INPUTS = {
    "numbers": modules.inputs(5, 5),
    "mixed": modules.inputs(3, 5, [4, 11]),
    "categories": modules.inputs(0, 0, [4, 11]),
    "one-hot": modules.inputs(0, 3, [4]),
}


def inputs(kind="mixed", embedding="periodic"):
    options = {"n_frequencies": 6, "n_bins": 7, "d_embedding": 3, "sigma": 1.0}
    return {**INPUTS[kind], "embedding": embedding, **options}


def drawn(module, dense, codes):
    """Return the module in float64 with weights that differ from the start."""
    modules.initialized(module, dense, codes)
    generator = modules.seeded(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
        for name, buffer in module.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer += torch.rand(buffer.shape, generator=generator)
    return module.double().eval()


def check(module_class, forward, n_rows=40, **design):
    """Compare outputs for rows, for one of them, and for numbers far outside."""
    n_dense = design["inputs"]["n_dense"] if "inputs" in design else design["n_dense"]
    options = design.get("inputs", design)
    dense, codes = modules.rows(n_rows, n_dense, options["cardinalities"])
    module = drawn(module_class(**design), dense, codes)
    own = forward({k: v.numpy() for k, v in module.state_dict().items()}, **design)
    for numbers in (dense, dense[:1], 1e3 * dense):
        with torch.no_grad():
            expected = module(numbers.double(), codes[: len(numbers)]).numpy()
        with np.errstate(over="ignore"):
            outputs = own(numbers.numpy(), codes[: len(numbers)].numpy())
        scale = np.abs(expected).max()
        assert outputs.dtype == np.float64
        np.testing.assert_allclose(outputs, expected, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_those_of_torch(name):
    x = np.r_[-1e4, -800.0, np.linspace(-40, 40, 2001), 800.0, 1e4]
    expected = getattr(torch.nn.functional, name)(torch.tensor(x)).numpy()
    with np.errstate(over="ignore"):
        found = ACTIVATIONS[name](x)
    assert found is x
    atol, rtol = (4e-7, 1e-7) if name == "gelu" else (1e-13, 1e-12)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("kind", INPUTS)
def test_all_inputs_are_embedded_alike(kind, embedding):
    design = {"inputs": inputs(kind, embedding), "n_outputs": 2}
    check(ResNetModule, ResNetForward, **design, n_blocks=1, width=8)
    mlp = {"block": "residual", "activation": "selu", "is_parametric": False}
    mlp["normalization"] = "none"
    check(MLPModule, realmlp, **design, hidden_sizes=[8], **mlp)
    for tabm_kind in ("tabm", "tabm-mini"):
        tabm = {"kind": tabm_kind, "k": 3, "activation": "relu"}
        check(TabMModule, TabMForward, **design, hidden_sizes=[8], **tabm)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_perceptrons_agree(activation, normalization):
    size = MLPModule(inputs(), 1, [4]).inputs.n_out
    for block, parametric in itertools.product(("plain", "residual"), (False, True)):
        check(
            MLPModule,
            realmlp,
            inputs=inputs(),
            n_outputs=3,
            hidden_sizes=[size, size, 12],
            block=block,
            activation=activation,
            is_parametric=parametric,
            normalization=normalization,
            dropout=0.3,
        )


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["tabm", "tabm-mini"])
@pytest.mark.parametrize("n_rows", [3, 90])
def test_members_of_tabm_agree(activation, kind, n_rows):
    check(
        TabMModule,
        TabMForward,
        n_rows,
        inputs=inputs(),
        n_outputs=3,
        hidden_sizes=[16, 12],
        kind=kind,
        k=5,
        activation=activation,
        dropout=0.1,
    )


@pytest.mark.parametrize("n_blocks", [1, 3])
@pytest.mark.parametrize("hidden_factor", [0.4, 2.0])
def test_residual_nets_agree(n_blocks, hidden_factor):
    options = {"n_blocks": n_blocks, "width": 10, "hidden_factor": hidden_factor}
    check(ResNetModule, ResNetForward, inputs=inputs(), n_outputs=1, **options)


@pytest.mark.parametrize("n_blocks", [1, 2, 3])
@pytest.mark.parametrize(("width", "n_heads"), [(12, 1), (12, 4), (5, 5)])
def test_transformers_agree(n_blocks, width, n_heads):
    for n_dense, cardinalities in ((5, []), (5, [4, 11]), (0, [4, 11])):
        check(
            FTTransformerModule,
            FTTransformerForward,
            n_dense=n_dense,
            cardinalities=cardinalities,
            n_outputs=3,
            n_blocks=n_blocks,
            width=width,
            n_heads=n_heads,
            hidden_factor=4 / 3,
        )


SMALL = {
    "RealMLPClassifier": {"width": 16, "activation": "mish"},
    "TabMClassifier": {"width": 16, "k": 4},
    "TabularResNetClassifier": {"width": 16},
    "FTTransformerClassifier": {"width": 16},
    "PackedMLPClassifier": {"n_members": 4, "width": 16},
}


@pytest.fixture(scope="module", params=SMALL)
def fitted(request):
    """Return a net with categories and missing numbers, and many rows."""
    X, y = modules.table(5000)
    name = request.param
    net = getattr(nets, name)(max_epochs=2, random_state=0, **SMALL[name])
    return net.fit(X[:300], y[:300]), X


def test_threads_may_predict_with_one_net(fitted):
    net, X = fitted
    expected = net.predict_proba(X)
    net._cache.clear()
    found = {}

    def predict(i):
        found[i] = net.predict_proba(X)

    threads = [threading.Thread(target=predict, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all(np.array_equal(proba, expected) for proba in found.values())


def test_a_prediction_leaves_weights_and_rows_as_they_are(fitted):
    net, X = fitted
    state = {name: value.copy() for name, value in net.state_.items()}
    rows = X.copy()
    first = net.predict_proba(X)
    np.testing.assert_array_equal(net.predict_proba(X), first)
    assert X.equals(rows)
    for name, value in net.state_.items():
        np.testing.assert_array_equal(value, state[name])


@pytest.mark.parametrize("name", [name for name in SMALL if "Packed" not in name])
@pytest.mark.parametrize("kind", ["Classifier", "Regressor"])
@pytest.mark.parametrize("loss", ["plain", "deviance"])
def test_fitted_nets_predict_as_in_torch(name, kind, loss):
    from automodel.nets.forward.module import ModuleForward

    X, y = modules.table(200)
    params = dict(SMALL[name])
    if kind == "Regressor" and loss == "deviance":
        params["loss"] = "poisson"
    elif loss == "deviance":
        y = np.c_[y, X["number"].isna()].astype(int)  # several labels
    net = getattr(nets, name.replace("Classifier", kind))(max_epochs=3, **params)
    net.fit(X, y)
    predict = net.predict_proba if kind == "Classifier" else net.predict
    expected = predict(X)
    net._cache["forward"] = ModuleForward(net._new_module(), net.state_, "cpu")
    np.testing.assert_allclose(predict(X), expected, rtol=1e-6, atol=1e-6)


def test_rows_at_once_bound_the_arrays():
    X, y = modules.table(3000)
    net = nets.TabMClassifier(max_epochs=1, k=32, width=64).fit(X[:200], y[:200])
    whole = net.predict_proba(X)
    forward = net._cache["forward"]
    assert forward.rows_at_once == 2**16 // (32 * 64)
    forward.rows_at_once = len(X)
    np.testing.assert_allclose(net.predict_proba(X), whole, rtol=1e-10)
