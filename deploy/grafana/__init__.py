"""Grafana dashboards: written in Python, checked in as JSON, provisioned by compose and Kubernetes."""
