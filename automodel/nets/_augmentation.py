"""Change the rows of a batch at random, so that a net cannot learn them by heart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from automodel.nets._recipe import Augmentation


def row_changer(
    augmentation: Augmentation | None, generator: torch.Generator
) -> RowChanger | None:
    """Return what changes the batches of a training, or None if nothing does."""
    if augmentation is None or not len(augmentation.feature_of_dense):
        return None
    is_noisy = augmentation.noise > 0 and augmentation.n_continuous > 0
    if not (is_noisy or augmentation.mixup or augmentation.swap):
        return None
    return RowChanger(augmentation, generator)


@dataclass(frozen=True)
class Mixture:
    """With which row each row of a batch was mixed, and the share of its own."""

    order: torch.Tensor
    share: float

    def __len__(self) -> int:
        return len(self.order)


class RowChanger:
    """Change batches as an `Augmentation` says."""

    def __init__(self, augmentation: Augmentation, generator: torch.Generator):
        self.augmentation = augmentation
        self.generator = generator
        features = torch.as_tensor(augmentation.feature_of_dense.astype(np.int64))
        self.features = features.to(generator.device)
        self.n_features = int(features.max()) + 1

    def __call__(self, dense, codes):
        """Return dense and codes, changed, and the `Mixture` or None."""
        if self.augmentation.swap:
            dense, codes = self._swapped(dense, codes)
        if self.augmentation.noise:
            dense = self._noisy(dense)
        if not self.augmentation.mixup:
            return dense, codes, None
        return self._mixed(dense, codes)

    def _rand(self, *shape):
        device = self.generator.device
        return torch.rand(shape, generator=self.generator, device=device)

    def _swapped(self, dense, codes):
        # The last columns are those of codes.
        shape = len(dense), self.n_features + codes.shape[1]
        is_swapped = self._rand(*shape) < self.augmentation.swap
        source = torch.randint(
            len(dense), shape, generator=self.generator, device=dense.device
        )
        own = torch.arange(len(dense), device=dense.device)[:, None]
        source = torch.where(is_swapped, source, own)
        codes = codes.gather(0, source[:, self.n_features :])
        return dense.gather(0, source[:, self.features]), codes

    def _noisy(self, dense):
        n_numbers = self.augmentation.n_continuous
        noise = torch.randn(
            (len(dense), n_numbers), generator=self.generator, device=dense.device
        )
        noisy = dense.clone()
        noisy[:, :n_numbers] += self.augmentation.noise * noise
        return noisy

    def _mixed(self, dense, codes):
        share = beta_share(self.augmentation.mixup, self.generator)
        order = torch.randperm(
            len(dense), generator=self.generator, device=dense.device
        )
        mixed = torch.lerp(dense[order], dense, share)
        if codes.shape[1]:
            own = self._rand(*codes.shape) < share
            codes = torch.where(own, codes, codes[order])
        return mixed, codes, Mixture(order, share)


def beta_share(alpha: float, generator: torch.Generator) -> float:
    """Draw a share from Beta(alpha, alpha), seeded by a generator of torch."""
    seed = torch.randint(2**31, (), generator=generator, device=generator.device)
    return float(np.random.default_rng(int(seed)).beta(alpha, alpha))
