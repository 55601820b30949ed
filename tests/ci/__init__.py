"""Tests of what other programs start: the GitHub Action, the pre-commit hooks, the container file."""
