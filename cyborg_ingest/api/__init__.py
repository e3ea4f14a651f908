"""What programs call: `load`, `verify` and `inspect`, with every option as a typed keyword.

Start with `load`. Signatures and docstrings are written by `scripts/signatures.py` from the declarations of `settings`;
`values` makes settings of what a program passes, `hearing` tells it what happens. Nothing here decides about a load.
"""
