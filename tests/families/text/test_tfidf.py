"""What the family `text_tfidf` adds to its estimators."""

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline, make_union

from automodel import EstimatorFamily
from automodel.families import all_families, find_families
from automodel.preprocessing.text.plain import PlainTexts
from automodel.preprocessing.text.texts import TextFacts
from automodel.targets.objective import Objective
from automodel.task import Task

FAMILY = all_families()["text_tfidf"]


def task_of(kind="multiclass", n_samples=1000, n_classes=3, **options):
    options = {"facts": TextFacts(60.0, 300), "modality": "text"} | options
    n_outputs = max(n_classes, 1)
    return Task(kind, n_samples, n_outputs=n_outputs, n_classes=n_classes, **options)


def test_families_of_texts_are_found_in_their_folder():
    assert FAMILY.name in [family.name for family in find_families(None, "text")]
    assert FAMILY.name not in [family.name for family in find_families(None)]


def heads(task):
    return {setting["head"] for setting in FAMILY.portfolio(task)}


def test_many_classes_leave_out_heads_that_take_long_for_each():
    assert heads(task_of()) == {"svm", "logistic", "nb_svm", "ridge", "complement_nb"}
    assert heads(task_of(n_classes=150)) == {"svm", "complement_nb"}


def test_sequences_of_characters_are_left_out_of_very_many_texts():
    settings = FAMILY.portfolio(task_of(n_samples=1_000_000))
    assert {setting["characters"] for setting in settings} == {0}
    assert {s["characters"] for s in FAMILY.portfolio(task_of())} == {0, 2}


def test_pairs_of_characters_are_counted_in_very_many_texts_without_blanks():
    facts = TextFacts(100.0, 100, unspaced_share=0.9)
    task = task_of(n_samples=1_000_000, facts=facts)
    settings = FAMILY.portfolio(task)
    assert {setting["characters"] for setting in settings} == {2}
    encoder = FAMILY.preprocessor(FAMILY.estimator(task, 0), task)
    assert (encoder.longest, encoder.n_first) == (2, 16)
    few = FAMILY.portfolio(task_of(facts=facts))
    assert {setting["characters"] for setting in few} == {2}


def test_characters_are_counted_only_for_settings_that_use_them():
    task = task_of()
    for characters in (0, 2):
        estimator = FAMILY.estimator(task, 0).set_params(characters=characters)
        assert FAMILY.preprocessor(estimator, task).characters == (characters > 0)


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("squared_error", "Ridge"),
        ("absolute_error", "QuantileLinearRegressor"),
        ("poisson", "PoissonRegressor"),
    ],
)
def test_regressors_learn_the_loss_of_the_score(loss, name):
    task = task_of("regression", n_classes=0, objective=Objective(loss))
    assert type(FAMILY.estimator(task, 0).head).__name__ == name


def nothing(trial):
    return {}


@pytest.mark.parametrize(
    ("estimator", "modality"),
    [
        (make_pipeline(TfidfVectorizer(), LogisticRegression()), "text"),
        (make_pipeline(make_union(TfidfVectorizer()), Ridge()), "text"),
        (LogisticRegression(), "tabular"),
        (make_pipeline("passthrough", Ridge()), "tabular"),
    ],
)
def test_the_tags_of_an_estimator_say_whether_it_takes_texts(estimator, modality):
    family = EstimatorFamily("own", estimator, nothing)
    assert family.modality == modality
    if modality == "text":
        encoder = family.preprocessor(estimator, task_of())
        assert isinstance(encoder, PlainTexts)
