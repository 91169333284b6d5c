"""The figures of the project, as ratios to a bare WSGI hello on waitress in the same run (``make bench``).

Times are CPU of the server process for one request, read from the kernel, so that what else the machine does counts
little; medians of several rounds, with their spread.  Results and their reading stand in docs/performance.md.
"""
