"""What people decided about candidates, and the sets that follow."""
