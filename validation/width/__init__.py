"""Checks of finite width against draws of embeddings and gradients."""
