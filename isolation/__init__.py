"""Work that nobody can foresee the end of, in processes of its own that the kernel stops.

What a stranger wrote can make a computation take for ever, take all memory, or crash the interpreter. A
thread that does so cannot be stopped, and one that keeps Python's lock stops every other; a process can.
"""
