"""Neural nets for tables: scikit-learn estimators, usable without the search."""
