"""Reading, strictly: landed bytes in, typed rows out, and a reason for every row that is not."""
