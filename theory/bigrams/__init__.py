"""In-context bigrams: what the exact population gradients say about training on them."""
