"""The three memories, written top-down by one gradient step each: the steps, and their run."""

from assocmem.topdown.run import TopDownRun
from assocmem.topdown.steps import top_down

__all__ = ["TopDownRun", "top_down"]
