"""The docstrings of the nets, whose common parts are written once."""

import inspect
import re

import pytest
from sklearn.base import clone

from automodel import nets

NETS = [name for name in nets.__all__ if name != "FasterRCNNDetector"]
each_net = pytest.mark.parametrize("name", NETS)  # a detector has other parameters


def section(doc, title):
    return re.split(
        r"\n\w[\w ]+\n-+\n", doc.split(f"{title}\n{'-' * len(title)}\n")[1]
    )[0]


def entries(doc, title):
    return re.findall(r"^(\w+) : (.*)$", section(doc, title), re.MULTILINE)


@each_net
def test_each_parameter_is_documented_in_the_order_of_the_signature(name):
    kind = getattr(nets, name)
    described = [parameter for parameter, _ in entries(kind.__doc__, "Parameters")]
    assert described == list(inspect.signature(kind).parameters)
    assert sorted(described) == sorted(kind().get_params())


@each_net
def test_documented_defaults_are_the_true_ones(name):
    kind = getattr(nets, name)
    signature = inspect.signature(kind).parameters
    for parameter, text in entries(kind.__doc__, "Parameters"):
        default = text.split("default=")[1].strip('"')
        assert default == str(signature[parameter].default), parameter


@each_net
def test_fitted_attributes_are_documented(name):
    kind = getattr(nets, name)
    described = {attribute for attribute, _ in entries(kind.__doc__, "Attributes")}
    assert "history_" in described
    reads_tables = not name.startswith(("Bert", "Image", "FineTuned"))
    assert ("n_features_in_" in described) == reads_tables
    assert ("classes_" in described) == name.endswith("Classifier")


@each_net
def test_each_net_has_an_example_and_cites_what_it_lists(name):
    doc = getattr(nets, name).__doc__
    assert f">>> net = {name}(" in section(doc, "Examples")
    listed = re.findall(r"^\.\. \[(\d+)\]", doc, re.MULTILINE)
    assert sorted(listed) == sorted(set(re.findall(r"\[(\d+)\]_", doc)))


@each_net
def test_parameters_are_keywords_kept_by_clone_and_shown_by_repr(name):
    kind = getattr(nets, name)
    with pytest.raises(TypeError):
        kind(3)
    net = clone(kind(max_epochs=7).set_params(random_state=5))
    assert net.get_params() == {**kind().get_params(), "max_epochs": 7} | {
        "random_state": 5
    }
    assert repr(net) == f"{name}(max_epochs=7, random_state=5)"
