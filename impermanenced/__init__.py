"""Impermanent Linux systems: roll back, watch, report and keep."""

__version__ = "0.1.0"
