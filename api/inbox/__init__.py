"""What people wrote to your numbers."""
