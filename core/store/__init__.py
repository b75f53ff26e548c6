"""The store: named SQL queries beside small modules, a pool, transactions, migrations."""
