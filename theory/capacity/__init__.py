"""Memory capacity: how many associations a matrix of width d keeps, by rule and by weights."""
