"""The two kinds of resources: groups and destinations.

There are two, and the program says so: a destination lives in one group, bears the id of that group, is created after
it and deleted before it. Rules about this pair name `GROUP` and `DESTINATION`; a third kind needs a rule at each of
these places. The verbs of both kinds have one shape, `base.Kind`.
"""
