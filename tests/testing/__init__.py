"""Tests of the pytest plugin and what it is made of."""
