"""Nets that detect objects in images."""

from automodel.nets.detection.faster_rcnn import FasterRCNNDetector

__all__ = ["FasterRCNNDetector"]
