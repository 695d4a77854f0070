"""Demo: MovieLens-100k through the whole system, and the report of what came out."""
