"""The algebra that derivations share: rational functions, harmonic sums, populations, moments."""
