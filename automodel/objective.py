"""The former path of `automodel.targets.objective`."""

from automodel._moved import moved

__getattr__ = moved(__name__, "automodel.targets.objective")
