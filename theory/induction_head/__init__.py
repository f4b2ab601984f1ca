"""The induction head built by hand, and what the learned one does where that one has a tie."""
