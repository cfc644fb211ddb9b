"""Judge the members of a pack: best epochs, temperatures, weights, survivors.

Whatever is chosen for the net of a fold is chosen on the validation rows of the
other folds: its own stay unseen, and its predictions for them are honest. With a
single fold there are no others, and its own rows decide.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

from automodel.nets._schedules import is_over

PRIOR_ROWS = 10.0  # how many rows it takes to believe in another temperature
NEWTON_STEPS = 2  # from the factor of the epoch before
MOST_CHANGE = 3.0  # of a factor in one step
ENSEMBLE_STEPS = 20
LEAST_PROBABILITY = 1e-15


def of_others(totals: torch.Tensor) -> torch.Tensor:
    """Return for each fold, along the last axis, the sum over the other folds."""
    if totals.shape[-1] == 1:
        return totals
    return totals.sum(-1, keepdim=True) - totals


class ClassJudge:
    """Log loss, at the best temperature (Guo et al., 2017), of one class per row.

    Parameters
    ----------
    target : Tensor of shape (n_folds, n_rows)
        Class numbers of the validation rows.
    weight : Tensor of shape (n_folds, n_rows)
        Their weights, zero for padding.
    """

    def __init__(self, target: torch.Tensor, weight: torch.Tensor):
        self.target, self.weight = target, weight
        mean_weight = float(weight.sum() / (weight > 0).sum().clamp(min=1))
        self.prior = PRIOR_ROWS * mean_weight

    def judge(self, outputs, factors):
        """Return the losses, and the factors of the outputs that lead to them.

        Parameters
        ----------
        outputs : Tensor of shape (n_members, n_folds, n_rows, n_outputs)
            What the nets say.
        factors : Tensor of shape (n_members, 1)
            Those of the epoch before.

        Returns
        -------
        losses : Tensor of shape (n_members, n_folds)
            Sums over the rows.
        factors : Tensor of shape (n_members, 1)
            The best of all folds together.
        own_factors : Tensor of shape (n_members, n_folds)
            The best of the other folds together, one Newton step away.
        """
        for _ in range(NEWTON_STEPS):
            slope, curvature = self._derivatives(outputs, factors)
            factors = self._step(
                factors, slope.sum(1, keepdim=True), curvature.sum(1, keepdim=True)
            )
        slope, curvature = self._derivatives(outputs, factors)
        own_factors = self._step(factors, of_others(slope), of_others(curvature))
        losses = (self._losses(outputs, factors) * self.weight).sum(-1)
        return losses, factors, own_factors

    def _step(self, factors, slope, curvature):
        slope = slope + self.prior * (factors - 1)
        moved = factors - slope / (curvature + self.prior)
        return moved.clamp(factors / MOST_CHANGE, factors * MOST_CHANGE)

    def predictions(self, outputs, factors):
        """Return probabilities."""
        return torch.softmax(outputs * factors[..., None, None], dim=-1)

    def judged(self, predictions):
        """Return what a mixture is judged by: probabilities of what is true."""
        return self._true_columns(predictions)

    def mixture_losses(self, judged, rows):
        """Return the loss of predictions like those of `judged`.

        Parameters
        ----------
        judged : Tensor of shape (n_mixtures, n_chosen, n_truths)
            What `judged` returned, mixed, in the chosen rows.
        rows : Tensor of shape (n_folds, n_rows)
            Whether a row is chosen.
        """
        losses = -judged.clamp_min(LEAST_PROBABILITY).log().mean(-1)
        return (losses * self.weight[rows]).sum(-1)

    def _true_columns(self, values):
        index = self.target.expand(values.shape[:-1]).unsqueeze(-1)
        return values.gather(-1, index)

    def _derivatives(self, outputs, factors):
        proba = self.predictions(outputs, factors)
        mean = (proba * outputs).sum(-1)
        variance = (proba * outputs.square()).sum(-1) - mean.square()
        own = self._true_columns(outputs)[..., 0]
        return ((mean - own) * self.weight).sum(-1), (variance * self.weight).sum(-1)

    def _losses(self, outputs, factors):
        scaled = outputs * factors[..., None, None]
        return torch.logsumexp(scaled, -1) - self._true_columns(scaled)[..., 0]


class LabelJudge(ClassJudge):
    """Mean log loss of several labels per row; target (n_folds, n_rows, n_labels)."""

    def predictions(self, outputs, factors):
        """Return probabilities."""
        return torch.sigmoid(outputs * factors[..., None, None])

    def _true_columns(self, values):
        return torch.where(self.target > 0.5, values, 1 - values)

    def _derivatives(self, outputs, factors):
        proba = self.predictions(outputs, factors)
        slope = ((proba - self.target) * outputs).mean(-1)
        curvature = (proba * (1 - proba) * outputs.square()).mean(-1)
        return (slope * self.weight).sum(-1), (curvature * self.weight).sum(-1)

    def _losses(self, outputs, factors):
        scaled = outputs * factors[..., None, None]
        return F.binary_cross_entropy_with_logits(
            scaled, self.target.expand_as(scaled), reduction="none"
        ).mean(-1)


class ValueJudge:
    """The loss of the training, of numbers.

    Parameters
    ----------
    target : Tensor of shape (n_folds, n_rows, n_outputs)
        Standardised values of the validation rows.
    weight : Tensor of shape (n_folds, n_rows)
        Their weights, zero for padding.
    loss : callable
        `loss(outputs, target)` of shape (n_rows, n_outputs) returns one per row.
    """

    def __init__(self, target: torch.Tensor, weight: torch.Tensor, loss: Callable):
        self.target, self.weight, self.loss = target, weight, loss

    def judge(self, outputs, factors):
        """Return the losses, and factors of one; see `ClassJudge.judge`."""
        target = self.target.expand_as(outputs)
        losses = self.loss(outputs.flatten(0, 2), target.flatten(0, 2))
        losses = (losses.view(outputs.shape[:3]) * self.weight).sum(-1)
        return losses, factors, factors.expand_as(losses)

    def predictions(self, outputs, factors):
        """Return the outputs."""
        return outputs

    def judged(self, predictions):
        """Return the predictions."""
        return predictions

    def mixture_losses(self, judged, rows):
        """Return the loss of mixtures; see `ClassJudge.mixture_losses`."""
        target = self.target[rows].expand_as(judged)
        losses = self.loss(judged.flatten(0, 1), target.flatten(0, 1))
        return (losses.view(judged.shape[:2]) * self.weight[rows]).sum(-1)


class Race:
    """What is known of each member of a pack while it trains.

    Parameters
    ----------
    judge : ClassJudge, LabelJudge or ValueJudge
        Knows the validation rows.
    n_members : int
        Members at the start.
    patience : int
        Epochs without improvement after which a member stops; see `is_over`.
    schedule : str, default="constant"
        Course of the learning rate.

    Attributes
    ----------
    running : list of int
        The members that still train.
    best_epochs : Tensor of shape (n_members, n_folds)
        Epoch of each net that is best for the other folds.
    factors : Tensor of shape (n_members, n_folds)
        Factor of its outputs in that epoch.
    predictions : Tensor of shape (n_members, n_folds, n_rows, n_outputs)
        Its predictions for its own validation rows.
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
        shape = (n_members, len(judge.weight))
        self.best_epochs = torch.zeros(shape, dtype=torch.int64)
        self.factors = torch.ones(shape)
        self.predictions: torch.Tensor | None = None
        self._best_of_others = torch.full(shape, torch.inf)
        self._best = torch.full((n_members,), torch.inf)
        self._best_at = [0] * n_members
        self._common = torch.ones(n_members, 1)

    def judge(self, epoch: int, outputs: torch.Tensor) -> torch.Tensor:
        """Judge the running members; return which of their nets are the best so far.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 1 on.
        outputs : Tensor of shape (n_running, n_folds, n_rows, n_outputs)
            For the validation rows of each fold.

        Returns
        -------
        Tensor of bool of shape (n_running, n_folds)
            Whether a net is to be kept as it is.
        """
        running = self.running
        losses, common, factors = self.referee.judge(outputs, self._common[running])
        losses = torch.where(losses.isfinite(), losses, torch.inf)
        weight = self.referee.weight.sum(1)
        self._common[running] = torch.where(common.isfinite(), common, 1.0)
        others = of_others(losses) / of_others(weight)
        is_first = self.best_epochs[running] == 0
        improved = (others < self._best_of_others[running]) | is_first
        means = (losses.sum(1) / weight.sum()).tolist()
        for member, mean in zip(running, means, strict=True):
            self.losses[member].append(mean)
            if mean < self._best[member]:
                self._best[member], self._best_at[member] = mean, epoch
        self._note(epoch, outputs, factors, others, improved)
        return improved

    def _note(self, epoch, outputs, factors, others, improved) -> None:
        factors = torch.where(factors.isfinite(), factors, 1.0)
        predictions = self.referee.predictions(outputs, factors)
        if self.predictions is None:
            self.predictions = torch.zeros_like(predictions)
        row, fold = improved.nonzero(as_tuple=True)
        member = torch.tensor(self.running)[row]
        self.best_epochs[member, fold] = epoch
        self.factors[member, fold] = factors[row, fold]
        self._best_of_others[member, fold] = others[row, fold]
        self.predictions[member, fold] = predictions[row, fold]

    def stop(self, epoch: int, most: int | None = None) -> list[bool]:
        """Stop members; return for each that was running whether it goes on.

        Those without a better epoch for long stop, and so do those that diverged.
        If `most` is given, only so many go on: first those of the ensemble, by their
        weights, then those with the best losses.
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

        Selection with replacement (Caruana et al., 2004) on the validation rows of
        all folds but one.
        """
        assert self.predictions is not None
        rows = self.referee.weight > 0
        if fold is not None and len(rows) > 1:
            rows = rows.clone()
            rows[fold] = False
        judged = self.referee.judged(self.predictions)[:, rows]
        judged = torch.nan_to_num(judged, nan=0.0)
        total = torch.zeros_like(judged[0])
        counts = torch.zeros(len(judged))
        best, best_counts = torch.inf, counts
        for step in range(1, ENSEMBLE_STEPS + 1):
            losses = self.referee.mixture_losses((total + judged) / step, rows)
            member = int(losses.argmin())
            total = total + judged[member]
            counts[member] += 1
            if float(losses[member]) < best:
                best, best_counts = float(losses[member]), counts.clone()
        return best_counts / best_counts.sum()

    def loss(self) -> float:
        """Return the loss of the ensemble, each fold with the others' weights."""
        return float(self._mixed_losses() / self.referee.weight.sum())

    def _mixed_losses(self):
        assert self.predictions is not None
        judged = self.referee.judged(self.predictions)
        total = 0.0
        for fold in range(len(self.referee.weight)):
            rows = torch.zeros_like(self.referee.weight, dtype=torch.bool)
            rows[fold] = self.referee.weight[fold] > 0
            mixed = torch.einsum("m,mrt->rt", self.weights(fold), judged[:, rows])
            total = total + self.referee.mixture_losses(mixed[None], rows)[0]
        return total
