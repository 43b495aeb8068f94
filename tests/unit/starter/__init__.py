"""Tests of the command line, its pure parts."""
