"""The building blocks: gradients of one linear memory and of one attention layer."""
