"""The frozen text encoder, its settings and its cache of vectors."""
