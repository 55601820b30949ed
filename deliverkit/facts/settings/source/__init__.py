"""Source read as a tree of syntax and never run: literals, variables of the environment, and what leads from one to
the other. The grammars are tree-sitter's (extra ``source``); Python is read with `ast`.
"""
