"""The scheduler: campaigns start when they are due, series make campaigns, stillness is noticed."""
