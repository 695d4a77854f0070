"""The Kafka cluster as a process meets it: its login, its rights there, and its clients."""
