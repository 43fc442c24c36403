"""Publishes a version: images for two architectures and the chart, with what they are made of and who made them."""
