"""Judge the members of a pack: their epochs, temperatures and weights, and who goes on.

The best epoch, the temperature and the weight of the nets of a fold are chosen on the
validation rows of the folds that share no validation row with it. The fold's own rows
are not used, so its predictions for them are as good as for new rows, and no better.
With a single fold, there are no other folds, and its own rows decide. Which members go
on is decided on the rows of all folds, as a search decides which candidates to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn import functional as F

from automodel.nets._objective import (
    PRIOR_ROWS,
    CrossEntropy,
    LabelCrossEntropy,
    Objective,
)
from automodel.nets._schedules import is_over

NEWTON_STEPS = 2  # starting from the factor of the previous epoch
MOST_CHANGE = 3.0  # ratio of the factors before and after a step, at most
ENSEMBLE_STEPS = 20
LEAST_PROBABILITY = 1e-15


def folds_apart(valid_rows: Sequence[np.ndarray | None]) -> torch.Tensor:
    """Return which folds have no validation row in common.

    A fold whose rows are None shares no row with any other.
    """
    apart = ~torch.eye(len(valid_rows), dtype=torch.bool)
    for i, j in apart.nonzero().tolist():
        one, other = valid_rows[i], valid_rows[j]
        if one is not None and other is not None:
            apart[i, j] = not np.intersect1d(one, other).size
    return apart


def check_apart(apart: torch.Tensor) -> None:
    """Raise if one of several folds shares validation rows with each other fold."""
    alone = torch.nonzero(~apart.any(1))
    if len(apart) > 1 and len(alone):
        raise ValueError(
            f"Fold {int(alone[0])} has validation rows in common with each other fold, "
            "so none can choose epochs and weights for it. Train such folds one by one."
        )


def deciding_folds(apart: torch.Tensor) -> torch.Tensor:
    """Return which folds decide at which epoch a net is used.

    Parameters
    ----------
    apart : Tensor of bool of shape (n_folds, n_folds)
        Which folds have no validation row in common.

    Returns
    -------
    Tensor of bool of shape (n_folds, n_folds, n_folds)
        Whether the fold of the third axis decides for a net of the fold of the second,
        if the net is used to choose something for the fold of the first. Folds apart
        from both decide. With two folds there are none, and the fold of the net
        decides. A single fold decides for itself.
    """
    same = torch.eye(len(apart), dtype=torch.bool)
    decide = apart[:, None] & apart[None]
    decide = torch.where(decide.any(-1, keepdim=True), decide, apart[:, None])
    return torch.where(decide.any(-1, keepdim=True), decide, same[:, None])


class ClassJudge:
    """Log loss of one class per row, at the best temperature (Guo et al., 2017).

    Parameters
    ----------
    target : Tensor of shape (n_folds, n_rows)
        Class numbers of the validation rows.
    weight : Tensor of shape (n_folds, n_rows)
        Their weights, zero for padding.
    apart : Tensor of bool of shape (n_folds, n_folds)
        Which folds have no validation row in common.
    """

    def __init__(self, target, weight, apart):
        self.target, self.weight, self.apart = target, weight, apart
        mean_weight = float(weight.sum() / (weight > 0).sum().clamp(min=1))
        self.prior = PRIOR_ROWS * mean_weight

    def judge(self, outputs, factors):
        """Return losses, and the factors of the outputs that lead to them.

        Parameters
        ----------
        outputs : Tensor of shape (n_members, n_folds, n_rows, n_outputs)
            Outputs of the nets.
        factors : Tensor of shape (n_members, n_folds)
            Factors of the previous epoch.

        Returns
        -------
        losses : Tensor of shape (n_members, n_folds, n_folds)
            Sum of the losses in the fold of the third axis, with the factor of the
            fold of the second.
        factors : Tensor of shape (n_members, n_folds)
            For each fold, the factor that is best for the other folds. Newton's
            method starts from the fold's own factor of the previous epoch, since one
            that all folds share would depend on the fold's rows.
        """
        outputs = _classes_first(outputs)
        judged = [
            self._judge_fold(outputs, fold, factor)
            for fold, factor in enumerate(factors.unbind(1))
        ]
        losses, factor = zip(*judged, strict=True)
        return torch.stack(losses, 1), torch.stack(factor, 1)

    def _judge_fold(self, outputs, fold, factor):
        weight = self.weight
        if self.apart[fold].any():
            weight = weight * self.apart[fold, :, None]
        for _ in range(NEWTON_STEPS):
            slope, curvature = (
                value.flatten(1) @ weight.flatten()
                for value in self._derivatives(outputs, factor)
            )
            slope = slope + self.prior * (factor - 1)
            moved = factor - slope / (curvature + self.prior)
            factor = moved.clamp(factor / MOST_CHANGE, factor * MOST_CHANGE)
        return (self._losses(outputs, factor) * self.weight).sum(-1), factor

    def judged(self, outputs, factor):
        """Return what mixtures are judged by: the probabilities of the truth.

        Parameters
        ----------
        outputs : Tensor of shape (n_members, n_folds, n_rows, n_outputs)
            Outputs of the nets.
        factor : Tensor of shape (n_members,)
            Their factors.
        """
        proba = self._probabilities(_classes_first(outputs), factor)
        return self._true(proba).movedim(0, -1)

    def mixture_losses(self, judged, rows):
        """Return the losses of mixtures.

        Parameters
        ----------
        judged : Tensor of shape (n_mixtures, n_chosen, n_truths)
            Mixtures of what `judged` returns, in the chosen rows.
        rows : Tensor of shape (n_folds, n_rows)
            Whether a row is chosen.
        """
        losses = -judged.clamp_min(LEAST_PROBABILITY).log().mean(-1)
        return (losses * self.weight[rows]).sum(-1)

    def _true(self, values):
        """Return the values of the true class, with an axis of one in front."""
        return values.gather(0, self.target.expand(1, *values.shape[1:]))

    def _probabilities(self, outputs, factor):
        return torch.softmax(outputs * factor[:, None, None], dim=0)

    def _derivatives(self, outputs, factor):
        proba = self._probabilities(outputs, factor)
        mean = (proba * outputs).sum(0)
        variance = (proba * outputs.square()).sum(0) - mean.square()
        return mean - self._true(outputs)[0], variance

    def _losses(self, outputs, factor):
        scaled = outputs * factor[:, None, None]
        return torch.logsumexp(scaled, 0) - self._true(scaled)[0]


class LabelJudge(ClassJudge):
    """Mean log loss of several labels per row; target (n_folds, n_rows, n_labels)."""

    def __init__(self, target, weight, apart):
        super().__init__(target, weight, apart)
        self._labels = target.movedim(-1, 0)[:, None]

    def _true(self, values):
        return torch.where(self._labels > 0.5, values, 1 - values)

    def _probabilities(self, outputs, factor):
        return torch.sigmoid(outputs * factor[:, None, None])

    def _derivatives(self, outputs, factor):
        proba = self._probabilities(outputs, factor)
        slope = ((proba - self._labels) * outputs).mean(0)
        return slope, (proba * (1 - proba) * outputs.square()).mean(0)

    def _losses(self, outputs, factor):
        scaled = outputs * factor[:, None, None]
        return F.binary_cross_entropy_with_logits(
            scaled, self._labels.expand_as(scaled), reduction="none"
        ).mean(0)


def _classes_first(outputs):
    """Return the outputs with the last axis first, over which sums are faster."""
    return outputs.movedim(-1, 0).contiguous()


class ValueJudge:
    """The loss of numbers that the nets minimize.

    Parameters
    ----------
    target : Tensor of shape (n_folds, n_rows, n_outputs)
        Standardised values of the validation rows.
    weight : Tensor of shape (n_folds, n_rows)
        Their weights, zero for padding.
    apart : Tensor of bool of shape (n_folds, n_folds)
        Which folds have no validation row in common.
    loss : callable
        `loss(outputs, target)` of shape (n_rows, n_outputs) returns one per row.
    """

    def __init__(self, target, weight, apart, loss: Callable):
        self.target, self.weight, self.apart, self.loss = target, weight, apart, loss

    def judge(self, outputs, factors):
        """Return the losses, and factors of one; see `ClassJudge.judge`."""
        target = self.target.expand_as(outputs)
        losses = self.loss(outputs.flatten(0, 2), target.flatten(0, 2))
        losses = (losses.view(outputs.shape[:3]) * self.weight).sum(-1)
        return losses[:, None].expand(-1, losses.shape[1], -1), factors

    def judged(self, outputs, factor):
        """Return the outputs."""
        return outputs

    def mixture_losses(self, judged, rows):
        """Return the loss of mixtures; see `ClassJudge.mixture_losses`."""
        target = self.target[rows].expand_as(judged)
        losses = self.loss(judged.flatten(0, 1), target.flatten(0, 1))
        return (losses.view(judged.shape[:2]) * self.weight[rows]).sum(-1)


def judge_of(objective: Objective, target, weight, apart):
    """Return the judge for an objective."""
    if isinstance(objective, CrossEntropy):
        return ClassJudge(target, weight, apart)
    if isinstance(objective, LabelCrossEntropy):
        return LabelJudge(target, weight, apart)
    return ValueJudge(target, weight, apart, objective)


class Race:
    """What is known about each member of a pack while it trains.

    Parameters
    ----------
    judge : ClassJudge, LabelJudge or ValueJudge
        Judges the outputs for the validation rows.
    n_members : int
        Number of members at the start.
    patience : int
        Epochs without improvement after which a member stops; see `is_over`.
    schedule : str, default="constant"
        Course of the learning rate.

    Attributes
    ----------
    running : list of int
        The members that still train.
    best_epochs : Tensor of shape (n_members, n_folds)
        Epoch in which each net is best for the other folds.
    factors : Tensor of shape (n_members, n_folds)
        Factor of its outputs in that epoch.
    losses : list of list of float
        Mean validation loss of each member in each of its epochs.
    """

    def __init__(
        self, judge, n_members: int, patience: int, schedule: str = "constant"
    ):
        self.referee = judge
        self.patience, self.schedule = patience, schedule
        self.running = list(range(n_members))
        self.losses: list[list[float]] = [[] for _ in range(n_members)]
        n_folds = len(judge.weight)
        self._decide = deciding_folds(judge.apart)
        shape = (n_members, n_folds)
        self.best_epochs = torch.zeros(shape, dtype=torch.int64)
        self.factors = torch.ones(shape)
        self._judged: torch.Tensor | None = None
        self._least = torch.full((*shape, n_folds), torch.inf)
        self._best = torch.full((n_members,), torch.inf)
        self._best_at = [0] * n_members
        self._factors = torch.ones(shape)

    def judge(self, epoch: int, outputs: torch.Tensor) -> torch.Tensor:
        """Judge the running members; return which of their nets are at their best.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 1 on.
        outputs : Tensor of shape (n_running, n_folds, n_rows, n_outputs)
            For the validation rows of each fold.

        Returns
        -------
        Tensor of bool of shape (n_running, n_folds)
            Whether the present weights of a net are to be kept.
        """
        running = self.running
        losses, factors = self.referee.judge(outputs, self._factors[running])
        factors = torch.where(factors.isfinite(), factors, 1.0)
        self._factors[running] = factors
        # If one net of a member has diverged, the member leaves in all folds.
        is_sane = outputs.isfinite().flatten(1).all(1)[:, None, None]
        losses = torch.where(is_sane & losses.isfinite(), losses, torch.inf)
        own = losses.diagonal(dim1=1, dim2=2).sum(1) / self.referee.weight.sum()
        for member, mean in zip(running, own.tolist(), strict=True):
            self.losses[member].append(mean)
            if mean < self._best[member]:
                self._best[member], self._best_at[member] = mean, epoch
        decisive = torch.where(self._decide, losses[:, :, None], 0.0).sum(-1)
        improved = decisive < self._least[running]
        self._least[running] = torch.minimum(decisive, self._least[running])
        is_best = improved.diagonal(dim1=1, dim2=2)
        self.best_epochs[running] = torch.where(
            is_best, epoch, self.best_epochs[running]
        )
        self.factors[running] = torch.where(is_best, factors, self.factors[running])
        self._note(outputs, factors, improved)
        return is_best

    def _note(self, outputs, factors, improved) -> None:
        """Keep what the ensembles are judged by.

        The weights of a fold are chosen by the predictions of the nets of other folds
        for their own validation rows. Each of these nets is taken in the epoch that is
        best for the remaining folds. In an epoch that was chosen on the rows that it
        predicts, it would look better than it is.
        """
        for fold in range(improved.shape[1]):
            rows = improved[:, fold].any(1).nonzero()[:, 0]
            judged = self.referee.judged(outputs[rows], factors[rows, fold])
            if self._judged is None:
                shape = (*self.best_epochs.shape, *judged.shape[1:])
                self._judged = judged.new_zeros(shape)
            members = torch.tensor(self.running)[rows]
            is_new = improved[rows, fold][..., None, None]
            before = self._judged[members, fold]
            self._judged[members, fold] = torch.where(is_new, judged, before)

    def stop(self, epoch: int, most: int | None = None) -> list[bool]:
        """Stop members, and return for each that was running whether it goes on.

        Members stop if they have not improved for long or have diverged. If `most` is
        given, only that many go on: first those of the ensemble, by their weights, then
        those with the best losses.
        """
        order = sorted(self.running, key=lambda m: float(self._best[m]))
        if most is not None and len(order) > most:
            weights = self.weights()
            order = sorted(order, key=lambda m: -float(weights[m]))[:most]
        going = {
            m
            for m in order
            if not is_over(epoch, self._best_at[m], self.patience, self.schedule)
            and self.losses[m][-1] < torch.inf
        }
        kept = [member in going for member in self.running]
        self.running = [member for member in self.running if member in going]
        return kept

    def weights(self, fold: int | None = None) -> torch.Tensor:
        """Return the weights of the members in a greedy ensemble.

        Members are selected with replacement (Caruana et al., 2004) on the validation
        rows of all folds, or of those apart from `fold`. If all these rows have a
        weight of zero, the members have equal weights.
        """
        rows = self.referee.weight > 0
        if fold is None:
            judged, least = self._own(), self._least.flatten(1).amax(1)
        else:
            assert self._judged is not None
            judged, least = self._judged[:, fold], self._least[:, fold].amax(1)
            if self.referee.apart[fold].any():
                rows = rows & self.referee.apart[fold, :, None]
        if not rows.any():
            equal = (least < torch.inf).float()
            return equal / equal.sum()
        judged = judged[:, rows]
        total = torch.zeros_like(judged[0])
        counts = torch.zeros(len(judged))
        best, best_counts = torch.inf, counts
        for step in range(1, ENSEMBLE_STEPS + 1):
            losses = self.referee.mixture_losses((total + judged) / step, rows)
            losses = torch.where(least < torch.inf, losses, torch.inf)
            member = int(losses.nan_to_num(torch.inf).argmin())
            total = total + judged[member]
            counts[member] += 1
            if step == 1 or float(losses[member]) < best:
                best, best_counts = float(losses[member]), counts.clone()
        return best_counts / best_counts.sum()

    def loss(self) -> float:
        """Return the loss of the ensemble, with weights chosen on the other folds."""
        judged = self._own()
        total = 0.0
        for fold in range(len(self.referee.weight)):
            rows = torch.zeros_like(self.referee.weight, dtype=torch.bool)
            rows[fold] = self.referee.weight[fold] > 0
            if not rows.any():
                continue
            mixed = torch.einsum("m,mrt->rt", self.weights(fold), judged[:, rows])
            total += float(self.referee.mixture_losses(mixed[None], rows)[0])
        return total / float(self.referee.weight.sum())

    def _own(self) -> torch.Tensor:
        """Return for each net what it is judged by in its own fold."""
        assert self._judged is not None
        return self._judged.diagonal(dim1=1, dim2=2).movedim(-1, 1)
