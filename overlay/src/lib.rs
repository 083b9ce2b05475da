//! The overlay engine of one Docker host.
