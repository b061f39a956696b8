"""What else copies a tenant: each as a person who knows its tool would write it, none slowed down.

Each prepares everything, then copies and tells (items, bytes). A peer that comes from a package of its own runs as a
script in an environment of its own; none of them imports this project's product.
"""
