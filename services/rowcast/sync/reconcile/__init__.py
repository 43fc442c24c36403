"""Level-triggered convergence: the table, read through crud, against what a target holds."""
