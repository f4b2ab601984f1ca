"""Memory capacity: how many associations a matrix of width d stores, by rule and by weights."""
