"""Ranked lists: blending, selection and exploration."""
