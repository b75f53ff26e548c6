"""The second, independent count of usage: straight from the lake, without the warehouse."""
