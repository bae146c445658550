use proptest::prelude::*;

use super::*;

fn shapes() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(1_u64..7, 0..5)
}

/// The column of each position, index by index.
fn columns_by_definition(shape: &[u64], stored: Order) -> Vec<u64> {
    let total: u64 = shape.iter().product();
    let fastest_first = |order: Order| -> Vec<usize> {
        match order {
            Order::Fortran => (0..shape.len()).collect(),
            Order::C => (0..shape.len()).rev().collect(),
        }
    };
    let other = Order::from_fortran(!stored.is_fortran());
    (0..total)
        .map(|position| {
            let mut rest = position;
            let mut index = vec![0; shape.len()];
            for axis in fastest_first(stored) {
                index[axis] = rest % shape[axis];
                rest /= shape[axis];
            }
            let slowest_first = fastest_first(other).into_iter().rev();
            slowest_first.fold(0, |column, axis| column * shape[axis] + index[axis])
        })
        .collect()
}

proptest! {
    #[test]
    fn every_column_is_read_once_and_put_in_its_place(
        shape in shapes(),
        is_fortran: bool,
        ends in any::<[prop::sample::Index; 2]>(),
        gap in 0_u64..20,
        piece in 1_u64..9,
    ) {
        let stored = Order::from_fortran(is_fortran);
        let expected = columns_by_definition(&shape, stored);
        let total = expected.len() as u64;
        let is_same = (0..total).eq(expected.iter().copied());
        let Some(transposition) = Transposition::new(&shape, stored) else {
            prop_assert!(is_same);
            return Ok(());
        };
        let mut ends = ends.map(|end| end.index(expected.len() + 1) as u64);
        ends.sort_unstable();
        let columns = ends[0]..ends[1];
        let mut found = Block::default();
        found.resize(place(columns.end - columns.start));
        let mut wanted_positions = 0;
        let mut ascents = 0;
        let mut last_end = u64::MAX;
        for span in transposition.spans(columns.clone(), gap) {
            prop_assert!(span.start < span.end && span.end <= total);
            ascents += u32::from(span.start < last_end);
            last_end = span.end;
            let is_wanted = |position: u64| columns.contains(&expected[place(position)]);
            prop_assert!(is_wanted(span.start) && is_wanted(span.end - 1));
            wanted_positions += span.clone().filter(|&position| is_wanted(position)).count();
            for start in span.clone().step_by(place(piece)) {
                // Numbers that tell their position, one of them with a rest.
                let positions = start..span.end.min(start + piece);
                let mut numbers = Block::default();
                numbers.extend_pairs(positions.map(|p| (p as f64, if p == 3 { 0.5 } else { 0.0 })));
                transposition.put(start, &numbers, &columns, &mut found);
            }
        }
        prop_assert!(ascents <= 2);
        prop_assert!(wanted_positions >= found.len());
        let mut positions = vec![0_u64; expected.len()];
        for (position, &column) in (0..).zip(&expected) {
            positions[place(column)] = position;
        }
        for (at, column) in columns.enumerate() {
            let position = positions[place(column)];
            prop_assert_eq!(found.values()[at], position as f64);
            let low = found.low().map_or(0.0, |low| low[at]);
            prop_assert_eq!(low, if position == 3 { 0.5 } else { 0.0 });
        }
    }
}

#[test]
fn arrays_of_one_dimension_have_one_order() {
    for shape in [&[][..], &[5], &[1, 5], &[5, 1, 1], &[0, 3], &[1, 1]] {
        for stored in [Order::C, Order::Fortran] {
            assert!(Transposition::new(shape, stored).is_none(), "{shape:?}");
        }
    }
    assert!(Transposition::new(&[2, 1, 2], Order::C).is_some());
}

#[test]
fn runs_are_as_long_as_the_columns_allow() {
    // 1,000 rows of 100 columns, stored column by column.
    let transposition = Transposition::new(&[1000, 100], Order::Fortran).unwrap();
    // Ten whole rows are ten numbers of each stored column.
    let spans: Vec<_> = transposition.spans(0..1000, 0).collect();
    assert_eq!(spans.len(), 100);
    assert!(spans.iter().all(|span| span.end - span.start == 10));
    // Gaps of 990 are read over where that costs less.
    let joined: Vec<_> = transposition.spans(0..1000, 990).collect();
    assert_eq!((joined.len(), joined[0].end), (1, 99_010));
    // Part of a row is looked for only where it is.
    assert_eq!(transposition.spans(7..9, 0).collect::<Vec<_>>(), [7000..7001, 8000..8001]);
}
