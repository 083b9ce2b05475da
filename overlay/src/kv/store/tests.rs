//! Claims about the store as a whole.
