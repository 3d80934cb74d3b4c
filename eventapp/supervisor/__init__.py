"""What runs the app on one machine: an embedded PostgreSQL and the processes around it (`make run`)."""
