//! T1: what runs things.
