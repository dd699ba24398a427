"""Tests: unit, contract, golden, flows, architecture, docs."""
