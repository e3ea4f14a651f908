"""A load: sending, delivering, doubting, resuming, stopping, counting and reporting.

Start with `loader`, which is all of it on one screen; `sender` keeps the order, `delivery` gets one batch into the
index. Nothing here talks to people: it reports facts. It is not called `load`, which is the package's function.
"""
