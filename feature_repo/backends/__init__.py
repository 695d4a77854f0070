"""Redis and SQLite under the online store, and the fencing of their writes."""
