"""What every process shares and no domain owns: Kafka connections, tracing, probes and metrics."""
