"""Reading in a process of its own: what a C library may crash on, or loop in for ever, no `except` can catch.

`process` starts one, asks it and sees to its end; `child` is what runs there, with a module for each library
(`hdf5`); `messages` are what goes between them: JSON and bytes, never code. The process is given a path or the bytes of
a file, nothing of the environment that may be secret, and imports no more of this package than stands here.
"""
