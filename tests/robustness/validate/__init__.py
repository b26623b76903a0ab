"""What must hold for what clients were told, for the rows that are there, and for the Lease. An empty list says that it does."""
