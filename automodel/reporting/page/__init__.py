"""The report of a fitted estimator as one page of HTML."""
