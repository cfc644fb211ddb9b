"""The former path of `automodel.sampling.holdout`."""

from automodel._moved import moved

__getattr__ = moved(__name__, "automodel.sampling.holdout")
