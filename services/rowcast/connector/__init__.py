"""Puts the Debezium connector's configuration, `connector.json`, to Kafka Connect and sees that it runs."""
