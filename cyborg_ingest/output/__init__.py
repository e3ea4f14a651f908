"""What people see: words, lines, progress, and streams that may break.

Start with `wording`, which makes sentences of facts, and `display`, which draws them. Only the command
imports this room.
"""
