"""Owns what Prometheus is told of Headwater: recording rules, service-level objectives, alerts, and the page of metrics."""
