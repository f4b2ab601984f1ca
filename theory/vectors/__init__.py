"""Near-orthogonality: n random vectors in R^d are orthogonal up to O(sqrt(log n / d))."""
