"""Change capture without Kafka Connect: Debezium's engine in this process, publishing through its own sidecar."""
