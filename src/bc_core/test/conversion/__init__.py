"""Tests of conversions share the data set of the conftest."""
