"""The definition of the custom resources, `rowcast/crds/*.yaml`, brought to a cluster."""
