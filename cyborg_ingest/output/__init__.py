"""What people see: words, lines, progress, and streams that may break.

Start with `wording`, which makes sentences of facts, and `display`, which draws them; `howfar` says how far something
is, `reported` what was done. Nothing here decides anything, and only the command imports this room.
"""
