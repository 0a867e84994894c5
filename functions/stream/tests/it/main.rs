//! Counting what real streams tell, however they tell it.

mod counting;
mod tables;
mod trouble;
