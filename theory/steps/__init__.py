"""The three top-down steps: what each gradient writes, and when the memories are recalled."""
