"""A load: sending, delivering, doubting, resuming, stopping, counting and reporting.

Start with `loader`, the steps of a load, and `run`, the fold of all that happens in them; `upload` is what is done with
an index. `engines` keeps the order, `delivery` gets one batch into the index. Nothing here talks to people: it reports
facts. The room is not called "load", which is the package's function.
"""
