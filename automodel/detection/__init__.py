"""Boxes in images: annotations of COCO and VOC, and pictures of boxes."""

from automodel.detection.coco import boxes_from_coco, boxes_to_coco
from automodel.detection.drawing import draw_boxes
from automodel.detection.voc import boxes_from_voc

__all__ = ["boxes_from_coco", "boxes_from_voc", "boxes_to_coco", "draw_boxes"]
