"""State in an object store: pulled before a run, pushed while it goes on and at its end, locked against other hosts.

Start with `session`, which is all of that for one job; `stores` is the border to the library that talks to a store,
`head` the one object of a job that changes, `lease` the lock that it is, `files` what of a job's folder is kept where.
Nothing here knows what a journal says.
"""
