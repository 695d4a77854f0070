"""Model inputs assembled from stored rows."""
