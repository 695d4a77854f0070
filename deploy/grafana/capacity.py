"""Dashboard of capacity: CPU, memory and files of every process, and how far each part is from its limit."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.panels import Query, board, graph, row

__all__ = ["capacity"]

_OURS = 'job=~"headwater-.+"'


def capacity() -> Dashboard:
    """The processes, then the load that they carry."""
    return board(
        "headwater-capacity",
        "Headwater: capacity",
        "What the processes use, and the load that they carry with it; docs/capacity.md says what to add when.",
        row("Processes"),
        graph(
            "CPU",
            "Cores in use, by process.",
            Query(expr=f"rate(process_cpu_seconds_total{{{_OURS}}}[$__rate_interval])", legend="{{job}} {{instance}}"),
            unit="none",
        ),
        graph(
            "Memory",
            "Resident. It grows with the catalogue and the cached rows, then stays flat.",
            Query(expr=f"process_resident_memory_bytes{{{_OURS}}}", legend="{{job}} {{instance}}"),
            unit="bytes",
        ),
        graph(
            "Open files",
            "Sockets among them. A climb without end is a leak.",
            Query(expr=f"process_open_fds{{{_OURS}}}", legend="{{job}} {{instance}}"),
            unit="none",
        ),
        graph(
            "Up",
            "Whether each process answers Prometheus.",
            Query(expr=f"up{{{_OURS}}}", legend="{{job}} {{instance}}"),
            unit="none",
        ),
        graph(
            "Uptime",
            "Since a process started: a saw-tooth is a process that crashes again and again.",
            Query(expr=f"time() - process_start_time_seconds{{{_OURS}}}", legend="{{job}} {{instance}}"),
            unit="s",
        ),
        row("Load"),
        graph(
            "Calls for each core",
            "Score and Recommend each second, over the cores that the servers use.",
            Query(
                expr='sum(rate(grpc_server_handled_total{grpc_method=~"Score|Recommend"}[$__rate_interval])) '
                '/ sum(rate(process_cpu_seconds_total{job="headwater-server"}[$__rate_interval]))',
                legend="calls/s a core",
            ),
            unit="none",
        ),
        graph(
            "Events for each core",
            "Events folded each second, over the cores that the features workers use.",
            Query(
                expr="sum(rate(headwater_events_folded_total[$__rate_interval])) "
                '/ sum(rate(process_cpu_seconds_total{job="headwater-features"}[$__rate_interval]))',
                legend="events/s a core",
            ),
            unit="none",
        ),
        graph(
            "Items",
            "In the catalogue, as each server knows it.",
            Query(expr="headwater_catalogue_items", legend="{{instance}}"),
            unit="none",
        ),
    )
