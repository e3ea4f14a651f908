"""What sources and an index are like, and whether they agree.

Start with `inspecting` for sources and `verifier` for an index. Nothing here changes either, or knows of a load.
"""
