"""Judge an ensemble on rows that had no part in choosing it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from automodel.clock import NO_DEADLINE, Deadline
from automodel.ensemble.combine import fit_combiner, simplified
from automodel.ensemble.limits import Limits
from automodel.ensemble.selection import common_rows, restricted, shortlist
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.exceptions import DeadlineReached
from automodel.metrics.scorers import score_or_nan
from automodel.sampling.bootstrap_interval import N_RESAMPLES, bootstrap_interval
from automodel.sampling.clusters import honest_parts, variance_of_mean
from automodel.targets.base import averaged
from automodel.targets.combiner import Combiner

HONEST_PARTS = 5
HONEST_BAGS = 3
HONEST_CELLS = 10_000  # rows x classes, for the temperature of a model
HONEST_ROWS = 20_000
SCORED_SHARE = 0.5  # of the time, for the scores of single models
LEAST_SCORED = 2  # models, however little time there is
N_SLOW_RESAMPLES = 400  # of scores that have no fast form
RESAMPLED_CELLS = 1_000_000_000  # in all bootstraps together


@dataclass(frozen=True)
class JudgedRows:
    """What is scored of some rows.

    Parameters
    ----------
    score_of : callable
        The method of a metric that scores `part`.
    y : sequence
        Encoded target.
    part : sequence
        What decides the score: a part of the predictions, or the answers that they are
        turned into.
    sample_weight, groups : ndarray of shape (n_samples,) or None
        Weights and groups of the rows.
    is_fast : bool
        Whether the score has a fast form.
    """

    score_of: Callable[..., float]
    y: Any
    part: Any
    sample_weight: np.ndarray | None
    groups: np.ndarray | None
    is_fast: bool

    def score(self) -> float:
        """Return the score of all rows, or NaN."""
        return score_or_nan(self.score_of, self.y, self.part, self.sample_weight)

    def score_of_some(self, rows: np.ndarray) -> float:
        """Return the score of the rows of these numbers, or NaN."""
        weight = self.sample_weight
        weight = None if weight is None else weight[rows]
        return score_or_nan(self.score_of, self.y[rows], self.part[rows], weight)

    def interval(self, deadline: Deadline, random_state: int) -> tuple[float, float]:
        """Return the 95 % interval of the score of as many other rows.

        Rows of a group are drawn together. The number of bootstraps depends on their
        cost, and not on the clock unless the deadline comes first.
        """
        n_cells = getattr(self.part, "size", len(self.y))
        most = N_RESAMPLES if self.is_fast else N_SLOW_RESAMPLES
        return bootstrap_interval(
            self.score_of_some,
            len(self.y),
            self.groups,
            n_resamples=min(most, RESAMPLED_CELLS // max(n_cells, 1)),
            deadline=deadline,
            random_state=random_state,
        )


class Verdict(NamedTuple):
    """The result of a judgement.

    Parameters
    ----------
    is_worthwhile : bool
        Whether the combiner is better than its simpler form, see `simplified`.
    score : float
        The score; greater is better. NaN if the deadline came first, or if some parts
        of the rows have no such score.
    rows : ndarray or None
        The rows that have a prediction, which may be more than those that are scored;
        None if there are none.
    prediction : ndarray or None
        The predictions of these rows by ensembles that other rows chose.
    judged : JudgedRows or None
        What was scored of them.
    """

    is_worthwhile: bool = False
    score: float = math.nan
    rows: np.ndarray | None = None
    prediction: Any = None
    judged: JudgedRows | None = None


def judged(
    evaluations: Sequence[Evaluation],
    folds: Folds,
    *,
    size: int = 25,
    may_stack: bool = True,
    limits: Limits | None = None,
    deadline: Deadline = NO_DEADLINE,
    random_state: int = 0,
) -> Verdict:
    """Score the ensemble on rows that did not choose it, and decide about its form.

    The stack of a blend has to prove its worth, and so have several models whose
    predictions are not averaged.

    The out-of-fold rows are cut into parts of whole validation folds. Each part is
    predicted by the ensemble that the other rows choose, and turned into labels as
    they choose. On the rows that chose it, the score of an ensemble is too good: with
    100 models and 100 rows by more than a tenth.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Complete ones with their predictions.
    folds : Folds
        Data of the search.
    size, limits, random_state
        As in `fit_combiner`.
    may_stack : bool, default=True
        Whether the ensemble may have a stack; False if the deadline prevented it. It
        does not concern predictions that are not averaged.
    deadline : Deadline, default=NO_DEADLINE
        Moment at which the judgement ends.

    Returns
    -------
    Verdict
        With the honest predictions.
    """
    known = rows = common_rows(evaluations, folds)
    if len(known) > HONEST_ROWS:
        rng = np.random.default_rng(random_state)
        rows = np.sort(rng.choice(known, HONEST_ROWS, replace=False))
    part_of = honest_parts(
        folds.first_folds()[rows], folds.groups_of(rows), HONEST_PARTS, random_state
    )
    parts = np.unique(part_of)
    if len(parts) < 2:
        return Verdict()
    chosen = _in_time(evaluations, folds, rows, len(parts), deadline)
    limits = (limits or Limits.none(len(evaluations))).take(chosen)
    evaluations = [evaluations[i] for i in chosen]
    combiners, simple = [], []
    for n_before, part in enumerate(parts):
        try:
            others = restricted(evaluations, folds, rows[part_of != part], deadline)
        except (ValueError, DeadlineReached):  # these rows may have no such score
            return Verdict()
        combiner = fit_combiner(
            *others,
            size=size,
            n_bags=HONEST_BAGS,
            most_cells=HONEST_CELLS,
            limits=limits,
            deadline=deadline.share(1 / (len(parts) - n_before)),
            random_state=random_state,
        )
        combiners.append(combiner)
        simple.append(simplified(combiner, *others))
    predictions = [e.oof[rows] for e in evaluations]
    plain = Judgement(folds, rows, predictions, part_of, simple)
    if may_stack or not folds.target.is_averaged:
        full = replace(plain, combiners=combiners)
        if full.differs_from(plain) and full.is_better_than(plain):
            return full.verdict(known, evaluations, deadline, is_worthwhile=True)
    return plain.verdict(known, evaluations, deadline)


def _in_time(
    evaluations: Sequence[Evaluation],
    folds: Folds,
    rows: np.ndarray,
    n_parts: int,
    deadline: Deadline,
) -> list[int]:
    """Return the most promising models by position, as many as there is time to score.

    They are the best on all rows, so that the judgement is a little too good if it has
    to do without the others.
    """
    every = list(range(len(evaluations)))
    if not deadline.exists:
        return every
    start = deadline.clock.now()
    score_or_nan(folds.judging(rows).score, evaluations[0].oof[rows])
    seconds = n_parts * (deadline.clock.now() - start)
    most = SCORED_SHARE * deadline.seconds_left / max(seconds, 1e-9)
    if most >= len(evaluations):
        return every
    return shortlist(evaluations, max(int(most), LEAST_SCORED))


@dataclass(frozen=True)
class Judgement:
    """Ensembles for the parts of the rows, each chosen by the rows of the other parts.

    Parameters
    ----------
    folds : Folds
        Data of the search.
    rows : ndarray
        The rows that are predicted.
    predictions : list of ndarray
        The out-of-fold predictions of each model for these rows.
    part_of : ndarray
        The part that each of the rows is in.
    combiners : list of Combiner
        What the other rows chose for each part, in the order of the parts.
    """

    folds: Folds
    rows: np.ndarray
    predictions: list[np.ndarray]
    part_of: np.ndarray
    combiners: list[Combiner]

    @cached_property
    def prediction(self) -> np.ndarray:
        """The prediction for all rows, each part by the combiner of the other rows."""
        predicted = [
            (np.flatnonzero(is_in), combiner.predict(self._of(is_in)))
            for is_in, combiner in self._parts()
        ]
        return self._pooled(predicted)

    def verdict(
        self,
        known: np.ndarray,
        evaluations: Sequence[Evaluation],
        deadline: Deadline,
        is_worthwhile: bool = False,
    ) -> Verdict:
        """Return the score, and the predictions of all rows that are known.

        If only some of the rows were judged, the others are predicted as those of their
        fold.
        """
        scored = self._scored(deadline)
        rows, prediction = self.rows, self.prediction
        if len(known) > len(rows) and not deadline.is_over:
            rows, prediction = self._of_all(known, evaluations)
        return Verdict(is_worthwhile, scored.score(), rows, prediction, scored)

    def _of_all(
        self, known: np.ndarray, evaluations: Sequence[Evaluation]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the known rows whose fold is in one part, and their prediction."""
        fold_of, n_folds = self.folds.first_folds(), len(self.folds)
        parts = np.unique(self.part_of)
        is_in = np.zeros((len(parts), n_folds), dtype=bool)
        is_in[np.searchsorted(parts, self.part_of), fold_of[self.rows]] = True
        known = known[(is_in.sum(axis=0) == 1)[fold_of[known]]]
        if len(known) < len(self.rows):  # a fold was cut into parts
            return self.rows, self.prediction
        place = is_in.argmax(axis=0)[fold_of[known]]
        predicted = []
        for number, combiner in enumerate(self.combiners):
            of_part = np.flatnonzero(place == number)
            oofs = [e.oof[known[of_part]] for e in evaluations]
            predicted.append((of_part, combiner.predict(oofs)))
        target = self.folds.target
        return known, target.pooled(len(known), predicted, dtype=np.float64)

    def _scored(self, deadline: Deadline) -> JudgedRows:
        """Return what is scored of the prediction.

        If the score is one of labels, the other rows choose how each part becomes
        labels, too.
        """
        folds, rows, metric = self.folds, self.rows, self.folds.metric
        y = folds.y[rows]
        facts = folds.weight_of(rows), folds.groups_of(rows), metric.is_fast
        if not metric.needs_threshold:
            part = metric.decisive(y, self.prediction)
            return JudgedRows(metric.score_decisive, y, part, *facts)
        decided = []
        for is_in, combiner in self._parts():
            others = rows[~is_in]
            decision = metric.choose_decision(
                y[~is_in],
                combiner.predict(self._of(~is_in)),
                folds.weight_of(others),
                groups=folds.groups_of(others),
                deadline=deadline,
            )
            answers = folds.target.decided(self.prediction[is_in], decision)
            decided.append((np.flatnonzero(is_in), answers))
        part = metric.decisive_of_decided(self._pooled(decided))
        return JudgedRows(metric.score_decisive_of_decided, y, part, *facts)

    def differs_from(self, plain: Judgement) -> bool:
        """Tell whether there is a stack, or a combination of several models."""
        pairs = zip(self.combiners, plain.combiners, strict=True)
        return any(
            own.is_stacked or (own.weights != other.weights).any()
            for own, other in pairs
        )

    def is_better_than(self, plain: Judgement) -> bool:
        """Tell whether a combination did better than its simpler form.

        If predictions are not averaged, the scores of the judged rows are compared.

        The stacks were fitted to fewer rows than the final one will be. If the score
        is the loss that stacks are fitted to, the stack is kept unless it is worse by
        two standard errors. Otherwise its losses have to be better by one standard
        error, since they are less noisy than scores of labels, and its score has to be
        better, too.
        """
        folds, rows = self.folds, self.rows
        if not folds.target.is_averaged:
            return self._plain_score > plain._plain_score
        y, weight = folds.y[rows], folds.training_weight_of(rows)
        losses = averaged(folds.target).losses
        gains = losses(y, plain.prediction) - losses(y, self.prediction)
        weight = np.ones(len(y)) if weight is None else weight
        mean = np.average(gains, weights=weight)
        variance = variance_of_mean(gains - mean, weight, folds.groups_of(rows))
        if not math.isfinite(variance):
            return False
        if folds.metric.is_own_loss:
            return bool(mean > -2.0 * math.sqrt(variance))
        is_surely_better = mean > math.sqrt(variance)
        return bool(is_surely_better and self._plain_score > plain._plain_score)

    @cached_property
    def _plain_score(self) -> float:
        """The score of the prediction, without a choice of labels."""
        y, weight = self.folds.y[self.rows], self.folds.weight_of(self.rows)
        return score_or_nan(self.folds.metric.score, y, self.prediction, weight)

    def _parts(self) -> Iterator[tuple[np.ndarray, Combiner]]:
        """Yield which rows are in each part, and the combiner of the other rows."""
        parts = np.unique(self.part_of)
        for part, combiner in zip(parts, self.combiners, strict=True):
            yield self.part_of == part, combiner

    def _of(self, is_chosen: np.ndarray) -> list[np.ndarray]:
        return [prediction[is_chosen] for prediction in self.predictions]

    def _pooled(self, parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        return self.folds.target.pooled(len(self.rows), parts, dtype=np.float64)
