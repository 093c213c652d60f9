"""What a report is put together from: page, cards, tables, pictures, and a frame around what a task says."""
