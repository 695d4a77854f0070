"""A user's own data: guessing what a file's columns mean, writing a project, checking it, loading it into a stack."""
