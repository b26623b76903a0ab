"""Operations on the local server: each is a short sequence of commands, SQL and file access; they run one at a time.

`core` decides which operation to run; a module here only knows how. A kill makes a running operation fail at its next command.
"""
