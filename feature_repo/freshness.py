"""Owns the measure of freshness, of which each process observes its stage: how long an event takes until it counts."""

__all__ = ["FRESHNESS_BUCKETS", "FRESHNESS_HELP", "FRESHNESS_METRIC"]

FRESHNESS_METRIC = "headwater_freshness_seconds"
FRESHNESS_HELP = (
    "How long events take, by stage; `feature`: from the append to the log until the user's row is written; `served`: from a "
    "user's newest event to the first answer that counts it (events under an hour old)."
)
FRESHNESS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
