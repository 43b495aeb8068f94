"""Workflow classes. They decide; activities act."""
