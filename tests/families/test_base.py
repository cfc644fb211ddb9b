"""ModelFamily is what the families of all modalities share."""

from types import SimpleNamespace

import pytest
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier

from automodel import AutoClassifier, families
from automodel.families import ModelFamily, TabularFamily, find_families
from automodel.families.base import Resources
from automodel.task import Task
from tests.conftest import make_task

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
    assert family.resources(TONES) == Resources("", 0.0)
    family.requires, family.start_seconds = ("torch", "skorch"), 4.5
    assert family.resources(TONES) == Resources("torch", 4.5)


def test_a_family_without_a_modality_is_of_tables_and_warned_of(frame, labels, cheap):
    family = new_former_family()()
    with pytest.warns(FutureWarning, match="FormerFamily.*TabularFamily"):
        (found,) = find_families([family])
    assert isinstance(found, TabularFamily)
    assert found.supports(TABLE)
    assert found.n_columns(TABLE) == 5
    assert not isinstance(family, TabularFamily)  # it is left as it is
    search = AutoClassifier(**cheap | {"families": [family]})
    with pytest.warns(FutureWarning):
        model = search.fit(frame, labels)
    assert model.score(frame, labels) > 0.6


@pytest.mark.slow
def test_a_former_family_works_in_workers(frame, labels, cheap):
    search = AutoClassifier(**cheap | {"families": [new_former_family()()]})
    with pytest.warns(FutureWarning):
        model = search.set_params(n_jobs=2).fit(frame, labels)
    assert (model.leaderboard_["status"] == "complete").all()


def test_what_a_former_family_inherits_from_may_be_a_family_of_ones_own():
    class Child(new_former_family()):
        categorical = True

    with pytest.warns(FutureWarning, match="Child"):
        (found,) = find_families([Child()])
    encoder = found.preprocessor(DecisionTreeClassifier(), TABLE)
    assert encoder.categories == "native"


@pytest.fixture
def plug_in(monkeypatch):
    """Return what makes a value the only family of an installed plug-in."""

    def install(value):
        point = SimpleNamespace(load=lambda: value)
        monkeypatch.setattr(families, "entry_points", lambda group: [point])
        families.all_families.cache_clear()

    yield install
    monkeypatch.undo()
    families.all_families.cache_clear()


@pytest.mark.parametrize("is_instance", [False, True])
def test_a_plug_in_without_a_modality_is_of_tables_and_warned_of(plug_in, is_instance):
    kind = new_former_family()
    plug_in(kind() if is_instance else kind)
    with pytest.warns(FutureWarning, match="FormerFamily sets no modality"):
        found = families.all_families()["former"]
    assert isinstance(found, kind)
    assert isinstance(found, TabularFamily)
    assert found.supports(TABLE)
    assert found in find_families(None)  # all that are of tables
    assert find_families(["former"]) == [found]


def test_a_plug_in_without_a_modality_is_found_by_its_name(
    plug_in, frame, labels, cheap
):
    plug_in(new_former_family())
    search = AutoClassifier(**cheap | {"families": ["former"]})
    with pytest.warns(FutureWarning, match="TabularFamily"):
        model = search.fit(frame, labels)
    assert set(model.leaderboard_["family"]) == {"former"}
    assert model.score(frame, labels) > 0.6


def test_a_plug_in_of_its_own_modality_is_left_as_it_is(plug_in):
    plug_in(family := ToneFamily())
    assert families.all_families()["tones"] is family
    assert family not in find_families(None)
    assert find_families(None, "tones") == [family]
