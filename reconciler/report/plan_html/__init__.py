"""Render a plan as one page for a browser, which needs no network and no other file.

jinja2 is imported with this package only: no other format needs it.
"""
