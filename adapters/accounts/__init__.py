"""What the vendors tell about an account: whether a key is good, which voices and models it has. One module a vendor.

A module has ``check`` and may have ``list_voices`` and ``list_models``; `adapters.keys` calls them.
"""
