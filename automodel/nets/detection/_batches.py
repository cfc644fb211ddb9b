"""Images with boxes: their data set, batches of rows, and what a net makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset

from automodel.nets._device import precision_context
from automodel.nets._parts import PartBatches, edges_of
from automodel.nets._skorch import ObjectiveNet
from automodel.nets.detection._canvas import (
    canvas_of,
    extents_of,
    on_canvas,
    pixels_of,
    rounded_up,
    sizes_of,
)
from automodel.nets.detection._phases import PhasePlanner
from automodel.nets.detection._views import LEAST_SIDE, View, ViewChanger
from automodel.some_rows import SomeRows
from automodel.targets.boxes import Boxes

CACHE_BYTES = 512 * 2**20  # of maps of the frozen backbone


class DetectionDataset(Dataset):
    """Images on canvases with their boxes, which are read when a batch needs them.

    Parameters
    ----------
    images : SomeRows of shape (n,)
        The canvases.
    boxes : Boxes
        The true boxes in pixels of the original images.
    """

    def __init__(self, images: SomeRows, boxes: Boxes):
        super().__init__(images, np.arange(len(images)), length=len(images))
        sizes = sizes_of(images)
        self.extents = extents_of(sizes, canvas_of(images))
        self.sides = rounded_up(self.extents.max(axis=0))
        of_boxes = sizes[boxes.images], self.extents[boxes.images]
        corners = on_canvas(boxes.coordinates, *of_boxes)
        sides = corners[:, 2:] - corners[:, :2]
        # Boxes that became too small are neither learned nor refused.
        ignored = boxes.ignored | (sides < LEAST_SIDE).any(axis=1)
        self.boxes = torch.from_numpy(corners)
        self.labels = torch.from_numpy(boxes.classes.astype(np.int64) + 1)
        self.ignored = torch.from_numpy(ignored)
        self._is_visible = (sides > 0).all(axis=1)
        self._starts = boxes.starts

    def views(self, rows: torch.Tensor) -> list[View]:
        """Return some of the images."""
        numbers = rows.cpu().numpy()
        pixels = torch.from_numpy(pixels_of(self.X, numbers, self.sides))
        found = []
        for own, row in zip(pixels, numbers, strict=True):
            height, width = self.extents[row].tolist()
            start, stop = self._starts[row : row + 2]
            boxes = start + np.flatnonzero(self._is_visible[start:stop])
            target = self.boxes[boxes], self.labels[boxes], self.ignored[boxes]
            found.append(View(own, (height, width), *target))
        return found


class DetectionBatches(PartBatches):
    """Iterate over rows, one part of a pass over all images after the other.

    The net itself gets the images, since the phase of the training decides which.

    Parameters
    ----------
    dataset : DetectionDataset
        The images.
    batch_size : int
        The most images of a batch; all have as many, give or take one.
    generator : torch.Generator
        Shuffles the images.
    n_parts : int, default=1
        The number of parts of a pass.
    """

    def _shuffled(self):
        n_images = len(self.dataset)
        order = torch.randperm(n_images, generator=self.generator)
        edges = edges_of(n_images, self.n_batches)
        return [order[i:j] for i, j in zip(edges[:-1], edges[1:], strict=True)]

    def _batch(self, rows):
        return {"rows": rows}, rows


class FrozenMaps:
    """Maps that a frozen backbone has made of views of images.

    An image is changed at random when it is used first. As far as the memory goes, this
    view and its maps are kept.

    Parameters
    ----------
    most_bytes : int
        Memory for maps.
    """

    def __init__(self, most_bytes: int = CACHE_BYTES):
        self.bytes_left = most_bytes
        self._kept: dict[int, tuple[View, list[torch.Tensor]]] = {}

    def missing(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the rows whose maps are not kept."""
        return torch.tensor([r for r in rows.tolist() if r not in self._kept]).long()

    def of(self, row: int) -> tuple[View, list[torch.Tensor]] | None:
        """Return the view of an image and its maps, if they are kept."""
        return self._kept.get(row)

    def keep(self, row: int, view: View, maps: list[torch.Tensor]) -> None:
        """Keep maps in half the precision, if there is memory left."""
        halves = [
            (own if own.dtype == torch.bfloat16 else own.half()).cpu().clone()
            for own in maps
        ]
        n_bytes = sum(own.nbytes for own in halves)
        if n_bytes <= self.bytes_left:
            self.bytes_left -= n_bytes
            self._kept[row] = view._replace(pixels=torch.empty(0)), halves

    def clear(self) -> None:
        """Free the memory."""
        self._kept.clear()


class Feeder:
    """Turn rows into what the module of a detector is called with.

    Parameters
    ----------
    dataset : DetectionDataset
        The images.
    module : FasterRCNNModule
        Has the backbone.
    changer : ViewChanger
        Changes images at random.
    device : str
        Where the module is.
    """

    def __init__(self, dataset: DetectionDataset, module, changer: ViewChanger, device):
        self.dataset = dataset
        self.module = module
        self.changer = changer
        self.device = device
        self.frozen = FrozenMaps()

    def __call__(self, rows: torch.Tensor, is_frozen: bool) -> dict[str, Any]:
        """Return maps of the backbone, the extents of the images and their boxes."""
        if is_frozen:
            views, maps = self._of_frozen(rows)
        else:
            self.frozen.clear()
            views = self._views(rows)
            maps = self.module.maps(self._pixels(views))
        names = "boxes", "labels", "ignored"
        return {
            "maps": maps,
            "extents": [view.extent for view in views],
            "targets": [
                {name: getattr(view, name).to(self.device) for name in names}
                for view in views
            ],
        }

    def _views(self, rows):
        return [self.changer(view) for view in self.dataset.views(rows)]

    def _pixels(self, views):
        return torch.stack([view.pixels for view in views]).to(self.device)

    @torch.no_grad()
    def _of_frozen(self, rows):
        new = self.frozen.missing(rows)
        found: dict[int, Any] = {}
        if len(new):
            views = self._views(new)
            maps = self.module.maps(self._pixels(views))
            for i, (row, view) in enumerate(zip(new.tolist(), views, strict=True)):
                found[row] = view, [own[i] for own in maps]
                self.frozen.keep(row, *found[row])
        each: list[Any] = [
            found.get(row) or self.frozen.of(row) for row in rows.tolist()
        ]
        views = [view for view, _ in each]
        levels = zip(*(maps for _, maps in each), strict=True)
        return views, [self._stacked(own) for own in levels]

    def _stacked(self, maps):
        kinds = {own.dtype for own in maps}
        dtype = torch.bfloat16 if kinds == {torch.bfloat16} else torch.float32
        return torch.stack([own.to(self.device, dtype) for own in maps])


class DetectionNet(ObjectiveNet):
    """A net whose module returns the loss of a batch of images.

    Parameters
    ----------
    *args, **kwargs
        Those of `ObjectiveNet`.
    feeder : Feeder
        Turns rows into inputs.
    planner : PhasePlanner
        Knows the phase.
    """

    def __init__(self, *args, feeder: Feeder, planner: PhasePlanner, **kwargs):
        super().__init__(*args, **kwargs)
        self.feeder = feeder
        self.planner = planner

    def infer(self, x, **fit_params):
        """Return the loss of a batch."""
        with precision_context(self.precision, self.device):
            inputs = self.feeder(x["rows"], self.planner.is_frozen)
            return self.module_(**inputs)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the loss, which the module has computed."""
        return y_pred

    def outputs(self, rows):
        """Raise an error: boxes are predicted by `DetectionPredictor`."""
        raise NotImplementedError
