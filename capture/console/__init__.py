"""The operator's console: a local web page over the controller."""
