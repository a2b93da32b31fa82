"""What tests build worlds from."""
