"""Measurements behind the figures in comments; nothing here runs in production."""
