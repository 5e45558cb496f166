"""Show the emulated account as a page for people, and change it by forms.

jinja2 is imported with the first page that is shown: most emulators never show a page.
"""
