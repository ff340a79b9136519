"""Several worker processes behind one port: a small process that accepts, places, replaces and drains."""
