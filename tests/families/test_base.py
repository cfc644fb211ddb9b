"""ModelFamily is what the families of all modalities share."""

import subprocess
import sys
import warnings

import cloudpickle
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier

from automodel import AutoClassifier
from automodel.families import ModelFamily
from automodel.families.base import Resources
from automodel.task import Task
from tests.conftest import environment, make_task

TABLE = make_task("binary", 100, 5, 2)
TONES = Task("binary", 100, n_outputs=2, n_classes=2, modality="tones")


class ToneFamily(ModelFamily):
    """A family of another modality."""

    name = "tones"
    modality = "tones"
    tasks = ("binary",)


def new_former_family():
    """Return the class of a family that relies on tables as the only modality."""

    class FormerFamily(ModelFamily):
        name = "former"

        def estimator(self, task, random_state):
            return DecisionTreeClassifier(max_depth=3, random_state=random_state)

        def search_space(self, trial, task):
            return {"min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 9)}

    return FormerFamily


def test_a_family_supports_its_own_modality_alone():
    assert ToneFamily().supports(TONES)
    assert not ToneFamily().supports(TABLE)


def test_only_families_of_tables_have_an_encoder_of_tables():
    with pytest.raises(NotImplementedError):
        ToneFamily().preprocessor(DummyClassifier(), TONES)
    assert not hasattr(ToneFamily, "categorical")
    assert not hasattr(ToneFamily, "n_columns")


def test_resources_follow_the_class_attributes():
    family = ToneFamily()
    assert family.resources(TONES) == Resources("", 0.0, accelerator=False)
    family.requires, family.start_seconds, family.gpu = ("torch", "skorch"), 4.5, True
    assert family.resources(TONES) == Resources("torch", 4.5, accelerator=True)


def test_a_family_without_a_modality_is_of_tables_and_warned_of(frame, labels, cheap):
    kind = new_former_family()
    with pytest.warns(FutureWarning, match=r"FormerFamily.*TabularFamily") as caught:
        family = kind()
    assert caught[0].filename == __file__
    assert family.supports(TABLE)
    assert family.n_columns(TABLE) == 5
    model = AutoClassifier(**cheap | {"families": [family]}).fit(frame, labels)
    assert model.score(frame, labels) > 0.6


def test_a_family_is_warned_of_once():
    kind = new_former_family()
    with pytest.warns(FutureWarning):
        kind()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kind().modality == "tabular"


def test_what_a_former_family_inherits_from_may_be_a_family_of_ones_own():
    class Child(new_former_family()):
        categorical = True

    with pytest.warns(FutureWarning, match="Child"):
        encoder = Child().preprocessor(DecisionTreeClassifier(), TABLE)
    assert encoder.categories == "native"


def run_in_new_process(code, path):
    command = [sys.executable, "-W", "error::FutureWarning", "-c", code, path]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment()
    )


def test_a_former_family_is_of_tables_in_a_worker_too(tmp_path):
    (tmp_path / "former.py").write_text(
        "from automodel import ModelFamily\nclass Former(ModelFamily): pass\n"
    )
    code = (
        "import pickle, sys, warnings; sys.path.insert(0, sys.argv[1]);"
        "warnings.simplefilter('ignore');"
        "family = pickle.loads(b'\\x80\\x02cformer\\nFormer\\n)\\x81.');"
        "assert family.modality == 'tabular'"
    )
    assert run_in_new_process(code, tmp_path).stderr == ""


def test_a_family_of_a_script_keeps_its_modality_in_a_worker(tmp_path):
    class Own(ModelFamily):
        modality = "tones"

    (tmp_path / "own.pkl").write_bytes(cloudpickle.dumps(Own()))
    code = (
        "import pickle, sys; from automodel import TabularFamily;"
        "family = pickle.load(open(sys.argv[1], 'rb'));"
        "assert family.modality == 'tones';"
        "assert not isinstance(family, TabularFamily)"
    )
    assert run_in_new_process(code, tmp_path / "own.pkl").stderr == ""
