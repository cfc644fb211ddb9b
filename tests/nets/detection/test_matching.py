"""Regions are drawn without global random state, and ignored boxes are left alone."""

import torch

from automodel.nets.detection._matching import Matcher, Sampler


class ByOverlap:
    """What a matcher of torchvision does."""

    BELOW_LOW_THRESHOLD = -1
    BETWEEN_THRESHOLDS = -2

    def __call__(self, overlaps):
        best, found = overlaps.max(dim=0)
        return found.masked_fill(best < 0.5, self.BELOW_LOW_THRESHOLD)


def test_regions_of_ignored_boxes_are_neither_learned_nor_refused():
    matcher = Matcher(ByOverlap())
    none = torch.zeros(0, dtype=torch.bool)
    matcher.expect(
        [
            {"ignored": none},  # an image without boxes is not matched
            {"ignored": torch.tensor([False, True])},
            {"ignored": torch.tensor([False])},
        ]
    )
    overlaps = torch.tensor([[0.9, 0.1, 0.2], [0.1, 0.8, 0.3]])
    assert matcher(overlaps).tolist() == [0, -2, -1]
    assert matcher(torch.tensor([[0.9, 0.1]])).tolist() == [0, -1]


def sampled(labels, seed=0, n_regions=8):
    sampler = Sampler(n_regions, 0.25)
    sampler.generator = torch.Generator().manual_seed(seed)
    return sampler([labels])


def test_there_are_as_many_regions_as_wanted():
    labels = torch.tensor([1] * 10 + [0] * 20 + [-1] * 5)
    (positive,), (negative,) = sampled(labels)
    assert positive.sum() == 2
    assert negative.sum() == 6
    assert (labels[positive] == 1).all()
    assert (labels[negative] == 0).all()


def test_regions_without_an_object_take_the_place_of_missing_ones():
    labels = torch.tensor([2] + [0] * 20)
    (positive,), (negative,) = sampled(labels)
    assert (positive.sum(), negative.sum()) == (1, 7)
    (positive,), (negative,) = sampled(torch.tensor([-1, 0, 0]))
    assert (positive.sum(), negative.sum()) == (0, 2)


def test_draws_come_from_a_generator():
    labels = torch.tensor([1] * 50 + [0] * 50)
    before = torch.get_rng_state()
    one, two, other = (sampled(labels, seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one[1][0], two[1][0])
    assert not torch.equal(one[1][0], other[1][0])
