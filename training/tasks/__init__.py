"""What is learned: several labels, one class, several tasks."""
