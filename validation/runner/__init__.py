"""What every check needs: cases and their verdicts, tolerances, the report, the command line."""
