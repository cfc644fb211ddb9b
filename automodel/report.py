"""The former path of `automodel.reporting.summary`."""

from automodel._moved import moved

__getattr__ = moved(__name__, "automodel.reporting.summary")
