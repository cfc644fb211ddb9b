"""The trees of a fitted forest as a few arrays, with what prediction needs alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.tree._tree import Tree

WALKED = 1 / 6  # rows for each node of a tree, below which walking is faster
LEAF, UNDEFINED = -1, -2  # in scikit-learn, in place of a child and of a column


class CompactTrees:
    """All trees of a forest, without the values of their leaves.

    The nodes of a tree are in the order of their levels. The children of its k-th split
    are then its nodes 2 k + 1 and 2 k + 2, so that it is enough to know which nodes are
    splits. scikit-learn compares values in single precision with thresholds in double
    precision; a threshold that is rounded down separates the same values.

    Parameters
    ----------
    trees : sequence of sklearn.tree._tree.Tree
        Trees that were grown depth-first, as they are without `max_leaf_nodes`.
    orders : sequence of ndarray
        The nodes of each tree, from `by_level`.

    Attributes
    ----------
    n_features : int
        Number of columns.
    n_nodes : ndarray of shape (n_trees,)
        Number of nodes of each tree.
    feature : ndarray of shape (n_splits,)
        Column of each split, one tree after the other.
    threshold : ndarray of shape (n_splits,)
        Largest value that goes to the left child of each split.
    """

    def __init__(self, trees: Sequence[Any], orders: Sequence[np.ndarray]):
        def of_nodes(name):
            pairs = zip(trees, orders, strict=True)
            return np.concatenate([getattr(tree, name)[own] for tree, own in pairs])

        is_split = of_nodes("children_left") != LEAF
        feature = of_nodes("feature")[is_split]
        self.n_features = trees[0].n_features
        self.n_nodes = np.array([len(order) for order in orders], dtype=np.int32)
        self.feature = feature.astype(np.min_scalar_type(self.n_features))
        self.threshold = rounded_down(of_nodes("threshold")[is_split])
        self._is_split = np.packbits(is_split)
        self._goes_right = np.packbits(of_nodes("missing_go_to_left")[is_split] == 0)
        self._find_children()

    def _find_children(self) -> None:
        """Find the children of splits: the number of a split, or -1 - i for leaf i."""
        is_split = np.unpackbits(self._is_split, count=self.n_nodes.sum()).view(bool)
        numbers = np.where(is_split, is_split.cumsum() - 1, -(~is_split).cumsum())
        numbers = numbers.astype(np.int32)
        first = np.cumsum(self.n_nodes) - self.n_nodes
        self._roots, self._children = numbers[first], np.delete(numbers, first)
        goes_right = np.unpackbits(self._goes_right, count=len(self.feature))
        self._missing_goes_right = goes_right.view(bool)

    def __getstate__(self) -> dict[str, Any]:
        found = ("_roots", "_children", "_missing_goes_right")
        return {name: own for name, own in vars(self).items() if name not in found}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._find_children()

    def __len__(self) -> int:
        return len(self.n_nodes)

    def apply(self, X: Any) -> np.ndarray:
        """Return the number of the leaf that each row reaches in each tree.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features), dtype=float32
            The rows.

        Returns
        -------
        ndarray of shape (n_trees, n_samples)
            Numbers that go on from one tree to the next.
        """
        if X.shape[0] * len(self) < WALKED * self.n_nodes.sum():
            return self._walk(X.toarray() if issparse(X) else X)
        leaves = np.empty((len(self), X.shape[0]), dtype=np.int32)
        one_class = np.ones(1, dtype=np.intp)
        for i, numbers in enumerate(self._numbers()):
            values = np.empty((len(numbers), 1, 1))  # are not read
            tree = self._tree(numbers, one_class, values)
            leaves[i] = -1 - numbers[tree.apply(X)]
        return leaves

    def _walk(self, X: np.ndarray) -> np.ndarray:
        """Send all rows through all trees at once, one level after the other."""
        n_rows, n_columns = X.shape
        if n_rows == 1:
            return self._walk_one(X[0])
        values, has_missing = X.ravel(), np.isnan(X).any()
        numbers = np.repeat(self._roots, n_rows)
        pairs = np.flatnonzero(numbers >= 0)  # of a tree and a row, not at a leaf yet
        start, split = pairs % n_rows * n_columns, numbers[pairs]
        while len(pairs):
            value = values.take(start + self.feature.take(split))
            is_right = value > self.threshold.take(split)
            if has_missing:
                is_right |= np.isnan(value) & self._missing_goes_right.take(split)
            split = self._children.take(2 * split + is_right)
            numbers[pairs] = split
            goes_on = np.flatnonzero(split >= 0)
            pairs, start, split = (own.take(goes_on) for own in (pairs, start, split))
        return (-1 - numbers).reshape(len(self), n_rows)

    def _walk_one(self, row: np.ndarray) -> np.ndarray:
        has_missing, numbers = np.isnan(row).any(), self._roots.copy()
        trees = np.flatnonzero(numbers >= 0)  # which have not reached a leaf yet
        split = numbers[trees]
        while len(trees):
            value = row.take(self.feature.take(split))
            is_right = value > self.threshold.take(split)
            if has_missing:
                is_right |= np.isnan(value) & self._missing_goes_right.take(split)
            split = self._children.take(2 * split + is_right)
            numbers[trees] = split
            goes_on = split >= 0
            trees, split = trees[goes_on], split[goes_on]
        return (-1 - numbers)[:, None]

    def trees(self, n_classes: np.ndarray, values: np.ndarray) -> Iterator[Tree]:
        """Yield the trees of scikit-learn, with values that they have in their leaves.

        Impurities, numbers of rows, and the values of nodes that are split are unknown;
        they are 0.

        Parameters
        ----------
        n_classes : ndarray of shape (n_outputs,)
            Number of the classes of each output, 1 for numbers.
        values : ndarray of shape (n_leaves, n_outputs, max(n_classes))
            The values of the leaves.
        """
        for numbers in self._numbers():
            is_leaf = numbers < 0
            of_nodes = np.zeros((len(numbers), *values.shape[1:]))
            of_nodes[is_leaf] = values[-1 - numbers[is_leaf]]
            tree = self._tree(numbers, n_classes, of_nodes)
            tree.max_depth = int(tree.compute_node_depths().max()) - 1
            yield tree

    def _numbers(self) -> Iterator[np.ndarray]:
        """Yield the numbers of the nodes of each tree, as splits or leaves."""
        last = np.cumsum(self.n_nodes - 1)
        for root, children in zip(
            self._roots, np.split(self._children, last[:-1]), strict=True
        ):
            yield np.append(root, children)

    def _tree(self, numbers, n_classes, values) -> Tree:
        nodes = np.flatnonzero(numbers >= 0)
        splits, n_nodes = numbers[nodes], len(numbers)
        tree = Tree(self.n_features, n_classes, len(n_classes))
        records = np.zeros(n_nodes, dtype=tree.__getstate__()["nodes"].dtype)
        records["left_child"] = records["right_child"] = LEAF
        records["feature"] = records["threshold"] = UNDEFINED
        records["left_child"][nodes] = np.arange(1, n_nodes, 2)
        records["right_child"][nodes] = np.arange(2, n_nodes, 2)
        records["feature"][nodes] = self.feature[splits]
        records["threshold"][nodes] = self.threshold[splits]
        records["missing_go_to_left"][nodes] = ~self._missing_goes_right[splits]
        state = {"max_depth": 0, "node_count": n_nodes, "nodes": records}
        tree.__setstate__({**state, "values": values})
        return tree


def by_level(tree: Any) -> np.ndarray:
    """Return the nodes of a tree level by level, from left to right."""
    depths = tree.compute_node_depths().astype(np.uint16)  # which are sorted faster
    return np.argsort(depths, kind="stable")


def rounded_down(values: np.ndarray) -> np.ndarray:
    """Return the largest numbers in single precision that are not above the values."""
    with np.errstate(over="ignore"):
        found = values.astype(np.float32)
    below = np.nextafter(found, np.float32(-np.inf))
    return np.where(found > values, below, found)
