"""How regions are matched with true boxes and drawn, in place of torchvision's ways."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import torch


class Matcher:
    """Match regions with true boxes; neither learn nor refuse those of ignored boxes.

    Parameters
    ----------
    matcher : torchvision.models.detection._utils.Matcher
        Matches by the overlap.
    """

    def __init__(self, matcher: Any):
        self.matcher = matcher
        self.BELOW_LOW_THRESHOLD = matcher.BELOW_LOW_THRESHOLD
        self.BETWEEN_THRESHOLDS = matcher.BETWEEN_THRESHOLDS
        self._ignored: deque[torch.Tensor] = deque()

    def expect(self, targets: Iterable[dict[str, torch.Tensor]]) -> None:
        """Take the images in the order in which they are matched.

        Those without boxes are not matched.
        """
        masks = (target["ignored"] for target in targets)
        self._ignored = deque(mask for mask in masks if len(mask))

    def __call__(self, overlaps: torch.Tensor) -> torch.Tensor:
        """Return the number of the box of each region, or a negative one."""
        found = self.matcher(overlaps)
        ignored = self._ignored.popleft()
        if ignored.any():
            is_ignored = (found >= 0) & ignored[found.clamp(min=0)]
            found = found.masked_fill(is_ignored, self.BETWEEN_THRESHOLDS)
        return found


class Sampler:
    """Draw some regions with an object and some without, from a generator of its own.

    Parameters
    ----------
    n_regions : int
        Regions of an image.
    positive_share : float
        Largest share of those with an object.
    """

    def __init__(self, n_regions: int, positive_share: float):
        self.n_regions = n_regions
        self.n_positive = int(n_regions * positive_share)
        self.generator: torch.Generator | None = None

    def __call__(self, labels: list[torch.Tensor]) -> tuple[list, list]:
        """Return masks of the regions with an object, and of those without.

        Parameters
        ----------
        labels : list of Tensor of shape (n_regions,)
            For each image: above 0 for an object, 0 for none, and -1 for regions that
            are not drawn.
        """
        positive, negative = [], []
        for own in labels:
            objects = self._drawn(own >= 1, self.n_positive)
            positive.append(objects)
            n_left = self.n_regions - int(objects.sum())
            negative.append(self._drawn(own == 0, n_left))
        return positive, negative

    def _drawn(self, mask: torch.Tensor, most: int) -> torch.Tensor:
        rows = torch.where(mask)[0]
        if len(rows) > most:
            draw: dict[str, Any] = {"generator": self.generator, "device": mask.device}
            rows = rows[torch.randperm(len(rows), **draw)[:most]]
        drawn = torch.zeros_like(mask)
        drawn[rows] = True
        return drawn
