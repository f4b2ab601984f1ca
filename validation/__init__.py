"""Each claim checked against numbers; ``python -m validation`` runs them all."""
