"""One candidate on the folds: fitted, predicted, scored."""
