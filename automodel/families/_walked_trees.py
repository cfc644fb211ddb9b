"""The trees of boosted models as arrays, through which a single row walks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

LEAF = -1  # of XGBoost, in place of a child
CODES = 256  # of categories, which a tree of scikit-learn can tell apart


class WalkedTrees:
    """Trees through which a row walks in all at once, one level after the other.

    Parameters
    ----------
    roots : ndarray of shape (n_trees,)
        The first node of each tree.
    left, right : ndarray of shape (n_nodes,)
        The children of each node; those of a leaf have no meaning.
    is_leaf : ndarray of shape (n_nodes,), bool
        Which nodes are leaves.
    column : ndarray of shape (n_nodes,)
        The column that is compared.
    threshold : ndarray of shape (n_nodes,)
        What values are compared with, in its own type.
    left_if_missing : ndarray of shape (n_nodes,), bool
        Where missing values go.
    values : ndarray of shape (n_nodes,)
        The values of leaves.
    output_of_tree : ndarray of shape (n_trees,)
        The output that each tree is a part of.
    set_of_node : ndarray of shape (n_nodes,), default=None
        The row of `sets` of nodes that split by category, and -1 for others.
    sets : ndarray of shape (n_sets, n_codes), default=None
        Which categories go to the left. The last column is for all larger ones.
    equal_goes_left : bool, default=True
        Where values go that are equal to a threshold. Smaller ones go to the left.
    """

    def __init__(
        self,
        roots: np.ndarray,
        left: np.ndarray,
        right: np.ndarray,
        *,
        is_leaf: np.ndarray,
        column: np.ndarray,
        threshold: np.ndarray,
        left_if_missing: np.ndarray,
        values: np.ndarray,
        output_of_tree: np.ndarray,
        set_of_node: np.ndarray | None = None,
        sets: np.ndarray | None = None,
        equal_goes_left: bool = True,
    ):
        self._roots, self._is_leaf = roots, is_leaf
        self._children = np.column_stack([right, left]).astype(np.intp).ravel()
        self._column = np.where(is_leaf, 0, column).astype(np.intp)
        # Fields of records are not contiguous, and would be copied by each `take`.
        self._threshold = np.ascontiguousarray(threshold)
        self._values = np.ascontiguousarray(values, dtype=np.float64)
        self._left_if_missing = left_if_missing
        self._output_of_tree = output_of_tree
        self._set_of_node, self._sets = set_of_node, sets
        self._goes_left = np.less_equal if equal_goes_left else np.less

    def outputs(self, row: np.ndarray) -> np.ndarray:
        """Return the sums of the values of leaves, of shape (n_outputs,)."""
        row = row.astype(self._threshold.dtype)
        is_missing = np.isnan(row)
        has_missing, ends = is_missing.any(), self._roots.copy()
        trees = np.flatnonzero(~self._is_leaf.take(ends))  # not at a leaf yet
        nodes = ends.take(trees)
        codes = None if self._sets is None else _codes(row, self._sets.shape[1])
        while len(trees):
            column = self._column.take(nodes)
            goes_left = self._goes_left(row.take(column), self._threshold.take(nodes))
            if codes is not None:
                self._compare_sets(goes_left, nodes, codes.take(column))
            if has_missing:
                missing = is_missing.take(column)
                goes_left[missing] = self._left_if_missing.take(nodes)[missing]
            nodes = self._children.take(2 * nodes + goes_left)
            ends[trees] = nodes
            goes_on = ~self._is_leaf.take(nodes)
            trees, nodes = trees[goes_on], nodes[goes_on]
        return np.bincount(self._output_of_tree, self._values.take(ends))

    def _compare_sets(self, goes_left, nodes, codes) -> None:
        own = self._set_of_node.take(nodes)  # type: ignore[union-attr]
        places = np.flatnonzero(own >= 0)
        if len(places):
            pairs = own.take(places), codes.take(places)
            goes_left[places] = self._sets[pairs]  # type: ignore[index]


def _codes(row: np.ndarray, n_codes: int) -> np.ndarray:
    return np.nan_to_num(row).clip(0, n_codes - 1).astype(np.intp)


def trees_of_hist_gradient_boosting(model: Any) -> WalkedTrees:
    """Return the trees of a fitted model of histogram boosting."""
    rounds = model._predictors
    trees = [tree for own in rounds for tree in own]
    nodes = np.concatenate([tree.nodes for tree in trees])
    sizes = [len(tree.nodes) for tree in trees]
    roots = np.cumsum([0, *sizes])[:-1]
    start = np.repeat(roots, sizes)
    splits = np.flatnonzero(nodes["is_categorical"] & ~nodes["is_leaf"].astype(bool))
    options: dict[str, Any] = {}
    if len(splits):
        own = nodes[splits]
        lefts = np.concatenate([tree.raw_left_cat_bitsets for tree in trees])
        n_sets = [len(tree.raw_left_cat_bitsets) for tree in trees]
        first = np.repeat(np.cumsum([0, *n_sets])[:-1], sizes)[splits]
        known, place = model._bin_mapper.make_known_categories_bitsets()
        is_left = _bits(lefts[first + own["bitset_idx"]])
        is_known = _bits(known[place[own["feature_idx"]]])
        if_unknown = own["missing_go_to_left"].astype(bool)[:, None]
        options["sets"] = np.where(is_known, is_left, if_unknown)
        options["set_of_node"] = np.full(len(nodes), -1)
        options["set_of_node"][splits] = np.arange(len(splits))
    return WalkedTrees(
        roots,
        start + nodes["left"],
        start + nodes["right"],
        is_leaf=nodes["is_leaf"].astype(bool),
        column=nodes["feature_idx"],
        threshold=nodes["num_threshold"],
        left_if_missing=nodes["missing_go_to_left"].astype(bool),
        values=nodes["value"],
        output_of_tree=np.concatenate([np.arange(len(own)) for own in rounds]),
        **options,
    )


def _bits(sets: np.ndarray) -> np.ndarray:
    """Return sets of 256 bits each as rows of bools."""
    as_bytes = np.ascontiguousarray(sets, dtype="<u4").view(np.uint8)
    return np.unpackbits(as_bytes, axis=1, bitorder="little").astype(bool)


def trees_of_xgboost(model: dict[str, Any]) -> WalkedTrees:
    """Return the trees of a model of XGBoost, from its JSON format."""
    trees = model["trees"]

    def of_nodes(name, dtype):
        return np.concatenate([np.asarray(tree[name], dtype) for tree in trees])

    sizes = [len(tree["left_children"]) for tree in trees]
    roots = np.cumsum([0, *sizes])[:-1]
    start = np.repeat(roots, sizes)
    left = of_nodes("left_children", np.intp)
    conditions = of_nodes("split_conditions", np.float32)  # and the values of leaves
    options = {}
    if any(tree["categories_nodes"] for tree in trees):
        options = _sets_of_xgboost(trees, roots, len(left))
    return WalkedTrees(
        roots,
        start + left,
        start + of_nodes("right_children", np.intp),
        is_leaf=left == LEAF,
        column=of_nodes("split_indices", np.intp),
        threshold=conditions,
        left_if_missing=of_nodes("default_left", bool),
        values=conditions,
        output_of_tree=np.asarray(model["tree_info"]),
        equal_goes_left=False,
        **options,
    )


def _sets_of_xgboost(trees, roots, n_nodes) -> dict[str, np.ndarray]:
    n_codes = 2 + max(max(tree["categories"], default=0) for tree in trees)
    set_of_node = np.full(n_nodes, -1)
    sets: list[np.ndarray] = []
    for root, tree in zip(roots.tolist(), trees, strict=True):
        names = "categories_nodes", "categories_segments", "categories_sizes"
        for node, first, size in zip(*(tree[name] for name in names), strict=True):
            goes_left = np.ones(n_codes, dtype=bool)
            goes_left[tree["categories"][first : first + size]] = False
            set_of_node[root + node] = len(sets)
            sets.append(goes_left)
    return {"set_of_node": set_of_node, "sets": np.stack(sets)}


class ObliviousTrees:
    """Trees of CatBoost, which ask the same question at all nodes of a level.

    Parameters
    ----------
    model : dict
        The model in the JSON format, whose splits compare one column each.
    codes : mapping of int to int
        The categories, which are numbered, by their hashes.
    """

    def __init__(self, model: dict[str, Any], codes: Mapping[int, int]):
        trees = model["oblivious_trees"]
        self._scale, bias = model["scale_and_bias"]
        self._bias = np.array(bias, dtype=float)
        depths = [len(tree["splits"]) for tree in trees]
        shape = len(trees), max(depths, default=0)
        self._column = np.zeros(shape, dtype=np.intp)
        self._border = np.full(shape, np.inf, dtype=np.float32)  # is never exceeded
        self._is_code = np.zeros(shape, dtype=bool)
        info = model["features_info"]
        features, categories = info["float_features"], info.get("categorical_features")
        columns = {own["feature_index"]: own["flat_feature_index"] for own in features}
        of_codes = {
            own["feature_index"]: own["flat_feature_index"] for own in categories or ()
        }
        for tree, own in enumerate(trees):
            for level, split in enumerate(own["splits"]):
                place = tree, level
                if split["split_type"] == "FloatFeature":
                    self._column[place] = columns[split["float_feature_index"]]
                    self._border[place] = split["border"]
                else:
                    self._column[place] = of_codes[split["cat_feature_index"]]
                    self._border[place] = codes[split["value"]]
                    self._is_code[place] = True
        self._has_codes = bool(self._is_code.any())
        self._large_if_missing = [
            own["flat_feature_index"]
            for own in features
            if own["nan_value_treatment"] == "AsTrue"
        ]
        values = [np.reshape(own["leaf_values"], (-1, len(bias))) for own in trees]
        self._first = np.cumsum([0, *map(len, values)])[:-1]
        self._values = np.concatenate(values)
        self._powers = 1 << np.arange(shape[1])

    def outputs(self, row: np.ndarray) -> np.ndarray:
        """Return the sums of the values of leaves, of shape (n_outputs,)."""
        row = row.astype(np.float32)
        for column in self._large_if_missing:
            if np.isnan(row[column]):
                row[column] = np.inf
        values = row.take(self._column)
        is_true = values > self._border
        if self._has_codes:
            is_true = np.where(self._is_code, values == self._border, is_true)
        leaves = is_true @ self._powers
        total = self._values.take(self._first + leaves, axis=0).sum(axis=0)
        return self._scale * total + self._bias
