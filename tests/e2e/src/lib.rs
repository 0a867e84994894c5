//! Journeys across functions.
