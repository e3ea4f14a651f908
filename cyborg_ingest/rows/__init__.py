"""Rows: from Arrow columns to checked ids, vectors, metadata and contents, cut into batches.

Start with `columns`, which checks, and `batches`, which cuts. `mapping` decides which column is what, `values` and
`typed` say what a value becomes, `conditions`, `operands`, `filters` and `pruning` are `--where`. Nothing here knows
where columns come from, or where batches go.
"""
