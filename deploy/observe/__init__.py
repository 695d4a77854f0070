"""Scraping of metrics and flow of events."""
