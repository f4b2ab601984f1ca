"""The derivations, one module per family of claims; these need SymPy, the records do not."""
