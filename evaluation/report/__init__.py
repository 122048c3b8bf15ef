"""One page about many runs: what they did, how sure that is, and what it allows to say.

`collect` reads and groups the runs, `curves`, `scores` and `changes` measure them, the files
`figures_*` draw, `words` says what follows, and `page` writes it all down. Nothing is left out
silently: what could not be used is among the notes.
"""
