"""Batch processors of users, items and the catalogue, free of Faust."""
