"""What continual learning is measured by: pure functions of arrays and tables, a file a family.

Curves are tables with a row for each evaluation (the index is its global step) and a column for
each task. Segments are tables with the columns `segment`, `start`, `end` and `task`, the task that
was trained. What is measured in a segment has the key (segment, task), so that a task may come
back. What cannot be measured is NaN, never 0, and a mean tells over how many it was taken.
"""
