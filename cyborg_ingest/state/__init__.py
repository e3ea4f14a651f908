"""What is remembered on disk: which rows of a job are acknowledged, rejected or in doubt.

Start with `journal`, the one writer; `ledger` has the values that it keeps, `replay` says what its lines mean, `jobs`
where they are kept. Nothing here knows how rows are read or sent.
"""
