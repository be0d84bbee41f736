"""Claims, their protocols, and the runs that settle them."""
