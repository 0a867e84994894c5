//! Which items of two lists belong together.

use serde_json::Value;

/// Beyond this many pairs, lists are compared place by place.
const MOST_PAIRS: usize = 250_000;

/// Pairs the items of two lists: equal ones in their order; between those, place by place. What has no partner stands alone.
pub(super) fn align(a: &[Value], b: &[Value]) -> Vec<(Option<usize>, Option<usize>)> {
    let front = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let back = a[front..].iter().rev().zip(b[front..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (end_a, end_b) = (a.len() - back, b.len() - back);
    let mut pairs: Vec<_> = (0..front).map(|i| (Some(i), Some(i))).collect();
    let (mut i, mut j) = (front, front);
    for (x, y) in equal(&a[front..end_a], &b[front..end_b]) {
        between(&mut pairs, (i, front + x), (j, front + y));
        pairs.push((Some(front + x), Some(front + y)));
        (i, j) = (front + x + 1, front + y + 1);
    }
    between(&mut pairs, (i, end_a), (j, end_b));
    pairs.extend((0..back).map(|k| (Some(end_a + k), Some(end_b + k))));
    pairs
}

/// Pairs what lies between two equal items.
fn between(pairs: &mut Vec<(Option<usize>, Option<usize>)>, a: (usize, usize), b: (usize, usize)) {
    let (len_a, len_b) = (a.1 - a.0, b.1 - b.0);
    for k in 0..len_a.max(len_b) {
        pairs.push(((k < len_a).then(|| a.0 + k), (k < len_b).then(|| b.0 + k)));
    }
}

/// The longest common subsequence, as pairs of places.
fn equal(a: &[Value], b: &[Value]) -> Vec<(usize, usize)> {
    if a.len() * b.len() > MOST_PAIRS {
        return Vec::new();
    }
    let width = b.len() + 1;
    // How long it is from place (i, j) on.
    let mut longest = vec![0_u32; (a.len() + 1) * width];
    let mut same = vec![false; a.len() * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            let here = i * width + j;
            same[here] = a[i] == b[j];
            longest[here] = if same[here] {
                longest[here + width + 1] + 1
            } else {
                longest[here + width].max(longest[here + 1])
            };
        }
    }
    let (mut pairs, mut i, mut j) = (Vec::new(), 0, 0);
    while i < a.len() && j < b.len() {
        let here = i * width + j;
        if same[here] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[here + width] >= longest[here + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// The places of a longest increasing subsequence: what did not move when a list was put into another order.
pub(super) fn kept_in_order(order: &[usize]) -> Vec<usize> {
    // The last place of the best subsequence of each length, and the place before each place.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(order.len());
    for (place, value) in order.iter().enumerate() {
        let length = ends.partition_point(|end| order[*end] < *value);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(place);
        } else {
            ends[length] = place;
        }
    }
    let mut kept: Vec<usize> = std::iter::successors(ends.last().copied(), |place| before[*place]).collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list(text: &str) -> Vec<Value> {
        text.chars().map(|c| json!(c.to_string())).collect()
    }

    #[test]
    fn equal_items_are_paired_across_what_was_put_between() {
        let pairs = |a: &str, b: &str| align(&list(a), &list(b));
        let both = |i, j| (Some(i), Some(j));
        assert_eq!(pairs("ab", "xab"), [(None, Some(0)), both(0, 1), both(1, 2)]);
        assert_eq!(pairs("abc", "ac"), [both(0, 0), (Some(1), None), both(2, 1)]);
        assert_eq!(pairs("abc", "axc"), [both(0, 0), both(1, 1), both(2, 2)]);
        assert_eq!(
            pairs("abcd", "bxdy"),
            [(Some(0), None), both(1, 0), both(2, 1), both(3, 2), (None, Some(3))]
        );
        assert_eq!(pairs("", "a"), [(None, Some(0))]);
        assert_eq!(pairs("aa", "a"), [both(0, 0), (Some(1), None)]);
        assert_eq!(pairs("", ""), []);
    }

    #[test]
    fn long_lists_are_compared_place_by_place() {
        let (a, b): (Vec<Value>, Vec<Value>) =
            ((0..3000).map(Value::from).collect(), (3000..6001).map(Value::from).collect());
        let pairs = align(&a, &b);
        assert_eq!((pairs.len(), pairs[7], pairs[3000]), (3001, (Some(7), Some(7)), (None, Some(3000))));
    }

    #[test]
    fn as_few_as_possible_moved() {
        assert_eq!(kept_in_order(&[0, 1, 2]), [0, 1, 2]);
        assert_eq!(kept_in_order(&[2, 0, 1]), [1, 2]);
        assert_eq!(kept_in_order(&[1, 2, 3, 0]), [0, 1, 2]);
        assert_eq!(kept_in_order(&[2, 1, 0]).len(), 1);
        assert!(kept_in_order(&[]).is_empty());
    }
}
