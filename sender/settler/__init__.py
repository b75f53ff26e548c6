"""The settler: ends what nobody else can end: lost leases, doubts, finished campaigns."""
