"""Facts about Fivetran's destination services: pure data and functions over it.

The client and the emulator share this layer and nothing else.
"""
