"""Training dynamics: what gradient descent on in-context bigrams shows."""
