"""TabularEncoder: turns a `Table` into the matrix that an estimator takes."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from automodel.preprocessing.arithmetic import ArithmeticColumns
from automodel.preprocessing.categories import (
    OneHotColumns,
    PooledCategories,
    TargetMeans,
    used_categories,
)
from automodel.preprocessing.encoded import (
    MixedRows,
    blocks_of_rows,
    clipped,
    joined_blocks,
    joined_columns,
)
from automodel.preprocessing.numeric import NumericColumns
from automodel.preprocessing.sparse_table import SparseColumns
from automodel.preprocessing.table import Table
from automodel.preprocessing.text.columns import TextComponents, TfidfColumns
from automodel.preprocessing.text.embedded import (
    EmbeddedComponents,
    embeddings_of,
    seconds_to_embed,
)

FEW_CATEGORIES = 8
DENSE_ONE_HOT_COLUMNS = 1000
# A linear model can weigh many components, if they are as small as TF-IDF.
BESIDE_TFIDF: dict[str, Any] = {"n_components": 100, "alpha": 1.0, "spread": 0.05}
_CHOICES: dict[str, tuple] = {
    "missing": ("keep", "impute"),
    "categories": ("native", "onehot", "target"),
    "scale": (None, "standard"),
    "text": ("svd", "tfidf", "embedding", "svd+embedding", "tfidf+embedding"),
    "dtype": ("float32", "float64"),
}


class TabularEncoder(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Encode a `Table` as a matrix of numbers.

    Parameters
    ----------
    missing : {"keep", "impute"}, default="keep"
        "keep" leaves missing numbers as NaN. "impute" replaces them by the median, and
        appends indicator columns.
    categories : {"native", "onehot", "target"}, default="native"
        How categories are encoded:

        - "native": as columns of dtype "category" in a DataFrame, with 0 for missing
          values and for unknown and rare categories.
        - "onehot": as columns of 0 and 1.
        - "target": as columns of 0 and 1 if a column has few categories, and else by
          the mean target, see `TargetMeans`.
    scale : {None, "standard"}, default=None
        How numeric columns are scaled, see `NumericColumns`.
    text : {"svd", "tfidf", "embedding", "svd+embedding", "tfidf+embedding"}, \
default="svd"
        "svd" encodes texts as components of their TF-IDF matrix. "tfidf" returns the
        matrix itself, provided that `sparse_output` is True. "embedding" encodes them
        as components of their embeddings, alone or beside the others.
    embedding : TextEmbedding, default=None
        The pretrained encoder that embeds texts, see `column_embedding`.
    sparse_output : bool, default=False
        Whether to return a csr_matrix if most columns are one-hot columns or TF-IDF.
        Other matrices are returned dense.
    dtype : {"float32", "float64"}, default="float32"
        Data type of the numbers.
    max_categories : int, default=254
        Number of categories of each column that are told apart, the most frequent ones.
    target_encode_above : int or None, default=30
        If `categories="native"`, columns with more categories are target encoded as
        well. None is for estimators that do so themselves.
    n_arithmetic : int, default=0
        Number of columns to make of pairs of numeric columns, see `ArithmeticColumns`.
    random_state : int, default=0
        Seed of the folds of target encoding, of the components of texts and of the
        choice of pairs.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of the table.
    n_features_out_ : int
        Number of encoded columns.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.table import Table
    >>> from automodel.preprocessing.tabular import TabularEncoder
    >>> table = Table(
    ...     numeric=np.array([[1.0], [2.0], [3.0]]),
    ...     codes=np.array([[0], [1], [2]], dtype=np.int32),
    ...     cardinalities=(3,),
    ... )
    >>> TabularEncoder(categories="onehot").fit_transform(table)
    array([[1., 1., 0., 0.],
           [2., 0., 1., 0.],
           [3., 0., 0., 1.]], dtype=float32)
    """

    def __init__(
        self,
        *,
        missing: str = "keep",
        categories: str = "native",
        scale: str | None = None,
        text: str = "svd",
        embedding: Any = None,
        sparse_output: bool = False,
        dtype: str = "float32",
        max_categories: int = 254,
        target_encode_above: int | None = 30,
        n_arithmetic: int = 0,
        random_state: int = 0,
    ):
        self.missing = missing
        self.categories = categories
        self.scale = scale
        self.text = text
        self.embedding = embedding
        self.sparse_output = sparse_output
        self.dtype = dtype
        self.max_categories = max_categories
        self.target_encode_above = target_encode_above
        self.n_arithmetic = n_arithmetic
        self.random_state = random_state

    def fit(
        self, table: Table, y: Any = None, sample_weight: Any = None, groups: Any = None
    ):
        """Learn the encoding; see `fit_transform`."""
        self.fit_transform(table, y, sample_weight, groups)
        return self

    def fit_transform(
        self, table: Table, y: Any = None, sample_weight: Any = None, groups: Any = None
    ):
        """Learn the encoding and encode the training rows.

        Parameters
        ----------
        table : Table
            Training rows.
        y : ndarray of shape (n_samples,), default=None
            Class numbers (int) or values (float), for target encoding.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows. Rows of weight zero are ignored.
        groups : ndarray of shape (n_samples,), default=None
            Groups of the rows. The target encoding of a row does not depend on the
            targets of its group.

        Returns
        -------
        ndarray, csr_matrix or DataFrame of shape (n_samples, n_features_out_)
            The encoded rows. Target encoded columns are computed out of fold, and
            differ from those of `transform`.
        """
        self._check_parameters()
        result = self._fit(table, y, sample_weight, groups)
        self.n_features_out_ = result.shape[1]
        return result

    def _fit(self, table: Table, y, sample_weight, groups):
        self.n_features_in_, self.names_ = table.n_columns, table.names
        self.n_numeric_, self.n_categorical_ = (
            table.numeric.shape[1],
            table.codes.shape[1],
        )
        y = None if y is None else np.asarray(y)
        weight = None if sample_weight is None else np.asarray(sample_weight, float)
        if table.sparse is not None:
            return self._fit_sparse(table, weight)
        self.sparse_columns_: SparseColumns | None = None
        means = self._fit_categories(table, y, weight, groups)
        self.arithmetic_ = ArithmeticColumns(
            self.n_arithmetic, random_state=self.random_state
        )
        if self.n_arithmetic:
            self.arithmetic_.fit(table.numeric, None, weight)
        self.numeric_ = NumericColumns(self.missing, self.scale)
        made = self.arithmetic_.groups(table.numeric) if self.n_arithmetic else ()
        self.numeric_.fit_parts(chain([table.numeric, means], made), weight)
        text = self._fit_text(table, y, weight)
        encoded = self._assemble(table, means, text)
        return encoded.frame if isinstance(encoded, MixedRows) else encoded

    def transform(self, table: Table):
        """Encode rows.

        Parameters
        ----------
        table : Table
            Rows that the same reader has read.

        Returns
        -------
        ndarray, csr_matrix or DataFrame of shape (n_samples, n_features_out_)
            The encoded rows.
        """
        check_is_fitted(self)
        encoded = self.transform_mixed(table)
        return encoded.frame if isinstance(encoded, MixedRows) else encoded

    def transform_mixed(self, table: Table):
        """Return the same as `transform`, but `MixedRows` in place of a DataFrame."""
        if self.sparse_columns_ is not None and table.sparse is not None:
            return self._finished(self.sparse_columns_.transform(table.sparse))
        means = self.means_.transform(table.codes[:, self.encoded_])
        text = [
            encoder.transform(table.text[column]) for column, encoder in self._by_text()
        ]
        return self._assemble(table, means, text)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the encoded columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of the table. By default, those seen during fit.

        Returns
        -------
        ndarray of str objects of shape (n_features_out_,)
            Names such as "age", "missingindicator_age", "city=Paris", "city_mean",
            "city_frequency", "comment_component0" and "height / width". A column of
            TF-IDF is called "comment_bucket17", since several words may share it.

        Examples
        --------
        >>> from automodel.preprocessing.reader import TableReader
        >>> from automodel.preprocessing.tabular import TabularEncoder
        >>> table = TableReader().fit_transform([[1, "red"], [2, "blue"], [3, None]])
        >>> TabularEncoder(categories="onehot").fit(table).get_feature_names_out()
        array(['x0', 'x1=blue', 'x1=red'], dtype=object)
        """
        check_is_fitted(self)
        names = self._names_in(input_features)
        if self.sparse_columns_ is not None:
            found = self.sparse_columns_.names_out(names)
        else:
            found = self._names_out(names)
        return np.array(found or ["constant"], dtype=object)

    def _names_in(self, input_features: Any) -> list[str]:
        n_columns = self.n_features_in_
        if input_features is None:
            return list(self.names_) or [f"x{i}" for i in range(n_columns)]
        if len(input_features) != n_columns:
            raise ValueError(
                "input_features should have length equal to number of features "
                f"({n_columns}), got {len(input_features)}"
            )
        return list(input_features)

    def _names_out(self, names: list[str]) -> list[str]:
        """Return the names of the columns in the order in which they are joined."""
        end = self.n_numeric_ + self.n_categorical_
        numeric, codes = names[: self.n_numeric_], names[self.n_numeric_ : end]
        numbers = numeric + self.means_.names_out([codes[i] for i in self.encoded_])
        if self.n_arithmetic:
            numbers += self.arithmetic_.names_out(numeric)
        one_hot = [
            f"{codes[i]}={label}"
            for i, labels in zip(
                self.one_hot_columns_, self.one_hot_labels_, strict=True
            )
            for label in labels
        ]
        dense, light = [], one_hot
        for column, encoder in self._by_text():
            found = encoder.names_out(names[end + column])
            if isinstance(encoder, TfidfColumns):
                light = light + found
            else:
                dense += found
        native = [codes[i] for i in self.native_]
        return self.numeric_.names_out(numbers) + dense + light + native

    def prepare_rows(self, table: Table, output_of: Any) -> None:
        """Embed the texts of all rows, which is done once for all folds.

        Parameters
        ----------
        table : Table
            All rows, which keep the embeddings for those that are taken.
        output_of : callable
            `output_of(encoder, rows, seconds)` returns the output of an encoder that
            learns nothing. If it has not begun, it takes about so many seconds.
        """
        if "embedding" in self._text_parts():
            seconds = seconds_to_embed(table.text, self.embedding.in_use())
            for texts in table.text:
                own = partial(output_of, seconds=seconds)
                embeddings_of(texts, self.embedding, own)
                seconds = 0.0  # the others have to follow

    def _text_parts(self) -> list[str]:
        return self.text.split("+")

    def _by_text(self) -> list[tuple[int, Any]]:
        """Return the position of the text column of each fitted encoder of texts."""
        n_parts = len(self._text_parts())
        return [(i // n_parts, encoder) for i, encoder in enumerate(self.text_)]

    def _check_parameters(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(
                    f"The {name!r} parameter of TabularEncoder must be one of "
                    f"{', '.join(map(repr, allowed))}. Got {value!r} instead."
                )
        if "embedding" in self._text_parts() and self.embedding is None:
            raise ValueError(f"text={self.text!r} needs the parameter 'embedding'.")

    def _fit_sparse(self, table: Any, weight):
        encoder = SparseColumns(
            missing=self.missing,
            scale=self.scale is not None,
            sparse_output=self.sparse_output,
            random_state=self.random_state,
        )
        self.sparse_columns_ = encoder.fit(table.sparse, None, weight)
        return self._finished(encoder.transform(table.sparse))

    def _fit_categories(self, table: Table, y, weight, groups) -> np.ndarray:
        """Choose the encoding of each column, and return the target encoded columns."""
        sizes = used_categories(table.codes, weight)
        if self.categories == "native":
            self.native_ = np.flatnonzero(sizes > 0)
            above = self.target_encode_above
            self.encoded_ = np.flatnonzero(sizes > (np.inf if above is None else above))
            self.one_hot_columns_ = np.array([], dtype=np.intp)
        else:
            limit = FEW_CATEGORIES if self.categories == "target" else np.inf
            self.native_ = np.array([], dtype=np.intp)
            self.one_hot_columns_ = np.flatnonzero((sizes > 0) & (sizes <= limit))
            self.encoded_ = np.flatnonzero(sizes > limit)
        self.pool_ = PooledCategories(self.max_categories)
        self.pool_.fit(*_part(table, self.native_, weight))
        self.one_hot_ = OneHotColumns(self._one_hot_limit())
        self.one_hot_.fit(*_part(table, self.one_hot_columns_, weight))
        known = [table.categories[i] for i in self.one_hot_columns_ if table.categories]
        self.one_hot_labels_ = self.one_hot_.labels(known)
        self.means_ = TargetMeans(self.random_state)
        codes, _, weight, cardinalities = _part(table, self.encoded_, weight)
        return self.means_.fit_transform(codes, y, weight, cardinalities, groups)

    def _one_hot_limit(self) -> int:
        if self.sparse_output:
            return self.max_categories
        share = DENSE_ONE_HOT_COLUMNS // max(len(self.one_hot_columns_), 1)
        return min(self.max_categories, max(share, FEW_CATEGORIES))

    def _fit_text(self, table: Table, y, weight) -> list:
        self.text_: list[Any] = []
        parts = []
        used = slice(None) if weight is None else weight > 0
        y_used = None if y is None else y[used]
        for texts in table.text:
            for part in self._text_parts():
                encoder = self._text_encoder(part).fit(texts.take(used), y_used)
                self.text_.append(encoder)
                parts.append(encoder.transform(texts))
        return parts

    def _text_encoder(self, part: str) -> Any:
        has_tfidf = "tfidf" in self._text_parts() and self.sparse_output
        if part == "embedding":
            options = BESIDE_TFIDF if has_tfidf else {}
            return EmbeddedComponents(self.embedding, **options)
        if part == "tfidf" and has_tfidf:
            return TfidfColumns()
        return TextComponents(random_state=self.random_state)

    def _numbers(self, numeric: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Return numeric, target encoded and arithmetic columns, in this order."""
        numeric = numeric.astype(np.float64, copy=False)
        others = [means] if means.shape[1] else []
        if self.n_arithmetic:
            others.append(self.arithmetic_.transform(numeric))
        return np.hstack([numeric, *others]) if others else numeric

    def _assemble(self, table: Table, means: np.ndarray, text: list):
        """Encode some rows at a time, so that no intermediate result is large."""
        width = len(self.numeric_.kept_) + self.one_hot_.n_columns_
        if len(blocks := blocks_of_rows(len(table), width)) == 1:
            return self._assemble_block(table.numeric, table.codes, means, text)
        encoded = (
            self._assemble_block(
                table.numeric[rows],
                table.codes[rows],
                means[rows],
                [part[rows] for part in text],
            )
            for rows in blocks
        )
        return joined_blocks(encoded, len(table))

    def _assemble_block(self, numeric, codes, means: np.ndarray, text: list):
        """Join numbers, one-hot columns and text, in this order."""
        dense = [self.numeric_.transform(self._numbers(numeric, means))]
        dense += [part for part in text if not sparse.issparse(part)]
        native, codes = codes[:, self.native_], codes[:, self.one_hot_columns_]
        light = [part for part in text if sparse.issparse(part)]
        n_light = self.one_hot_.n_columns_ + sum(part.shape[1] for part in light)
        n_dense = sum(part.shape[1] for part in dense)
        if self.sparse_output and n_light > n_dense and not len(self.native_):
            one_hot = self.one_hot_.transform(codes)
            return self._finished(joined_columns([*dense, one_hot, *light]))
        dense += [self.one_hot_.dense(codes), *(part.toarray() for part in light)]
        matrix = clipped(dense, self.dtype)
        if len(self.native_):
            n_categories = [size + 1 for size in self.pool_.sizes_]
            return MixedRows(matrix, self.pool_.transform(native), n_categories)
        return matrix if matrix.shape[1] else self._finished(matrix)

    def _finished(self, matrix: Any):
        """Return the matrix in its dtype, finite, and with at least one column."""
        if matrix.shape[1] == 0:
            return np.zeros((matrix.shape[0], 1), dtype=self.dtype)
        if isinstance(matrix, np.ndarray):
            return clipped([matrix], self.dtype)
        parts = (clipped([matrix.data], self.dtype), matrix.indices, matrix.indptr)
        return sparse.csr_matrix(parts, shape=matrix.shape)


def _part(table: Table, columns: np.ndarray, weight):
    """Return what the encoders of categories take, for some columns."""
    cardinalities = tuple(table.cardinalities[i] for i in columns)
    return table.codes[:, columns], None, weight, cardinalities
