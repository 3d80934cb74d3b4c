"""Figures of a real installation on this machine: `make bench`, or `python -m tests.bench [--short] [names …]`."""
