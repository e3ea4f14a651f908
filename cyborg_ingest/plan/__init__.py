"""What will be read, decided before the first row is; and reading it, chunk by chunk.

Start with `planning`, which makes a Plan of sources and options, and `reading`, which a Plan is. A Plan cuts itself
into `tasks`, one a Part, and `parts` reads one, wherever it is. Nothing here knows where rows go, or what an earlier
run has done with them: it is told which are settled.
"""
