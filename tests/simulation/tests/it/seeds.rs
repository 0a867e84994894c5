//! Seeds that showed a fault once.

use crate::definitions::spoiled_is_told;

#[test]
fn a_loop_without_steps_inside_another_is_told() {
    // The walk over what follows what did not end.
    spoiled_is_told(9_124_850_269_663_859_720, 2);
}

#[test]
fn a_fault_behind_an_arm_that_is_none_is_told_in_its_place() {
    // Arms were counted without those that could not be read.
    spoiled_is_told(9_214_498_479_956_742_944, 3);
}
