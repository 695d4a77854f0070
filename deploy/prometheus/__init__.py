"""Prometheus configuration: recording rules, service-level objectives, alerts, and the page of metrics."""
