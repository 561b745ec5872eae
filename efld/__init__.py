"""Facial-landmark models for phones: the nouns. The verbs are folders beside this one."""

__version__ = "0.1.0"
