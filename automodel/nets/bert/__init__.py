"""Encoders of the BERT type that are fine-tuned on texts."""

from automodel.nets.bert._estimator import (
    BertClassifier,
    BertRegressor,
    fine_tunable,
)

__all__ = ["BertClassifier", "BertRegressor", "fine_tunable"]
