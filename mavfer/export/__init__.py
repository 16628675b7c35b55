"""Clip stores for others: a subset by consent, tar shards, metadata."""
