"""Programs that measure, side by side with what a user would pick instead.

Each side runs in a process of its own and imports inside its functions what it needs: a
framework that a process does not run would be in its time and memory.
"""
