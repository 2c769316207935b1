//! Suites of everything that a user can see.
