use super::*;

/// An array of numbers of a byte, which are their own indices modulo 251, in rows of at most
/// `thickness` indices along a dimension; and its chunks as they are stored.
fn array(shape: &[u64], chunk: &[u64], rows: (usize, u64)) -> (Chunks, Vec<Vec<u8>>, Vec<u8>) {
    let sides: Vec<u64> =
        shape.iter().zip(chunk).map(|(length, chunk)| length.div_ceil(*chunk)).collect();
    let count: u64 = sides.iter().product();
    let chunks = Chunks {
        shape: shape.to_vec(),
        chunk: chunk.to_vec(),
        sides: sides.clone(),
        dimension: rows.0,
        thickness: rows.1,
        size: 1,
        filters: Vec::new(),
        fill: vec![0],
        list: (0..count).map(|number| Chunk { address: number, bytes: 1, mask: 0 }).collect(),
    };
    let all: Vec<u8> = (0..shape.iter().product::<u64>())
        .map(|it| u8::try_from(it % 251).expect("a byte"))
        .collect();
    let stored = (0..count).map(|number| {
        let inside = indices(number, &sides);
        (0..chunk.iter().product::<u64>())
            .map(|place| {
                let at = indices(place, chunk).into_iter().zip(&inside).zip(chunk);
                let at: Vec<u64> = at.map(|((at, inside), chunk)| inside * chunk + at).collect();
                let is_inside = at.iter().zip(shape).all(|(at, length)| at < length);
                let number = at.iter().zip(shape).fold(0, |all, (at, length)| all * length + at);
                if is_inside { u8::try_from(number % 251).expect("a byte") } else { 255 }
            })
            .collect()
    });
    let stored = stored.collect();
    (chunks, stored, all)
}

fn indices(mut number: u64, sides: &[u64]) -> Vec<u64> {
    let mut indices: Vec<u64> = sides
        .iter()
        .rev()
        .map(|side| {
            let index = number % side;
            number /= side;
            index
        })
        .collect();
    indices.reverse();
    indices
}

#[test]
fn numbers_are_the_same_by_rows_of_any_size() {
    for (shape, chunk) in [
        (&[7, 5, 6][..], &[3, 2, 4][..]),
        (&[7, 5, 6], &[1, 5, 6]),
        (&[4, 9], &[4, 2]),
        (&[1, 3, 5, 4], &[1, 2, 2, 3]),
        (&[10], &[4]),
    ] {
        for dimension in 0..shape.len() {
            for thickness in 1..=chunk[dimension] {
                let (chunks, stored, all) = array(shape, chunk, (dimension, thickness));
                let mut found = Vec::new();
                while found.len() < all.len() {
                    let row = chunks.row_of(found.len() as u64);
                    let numbers = chunks.numbers_of(row);
                    assert_eq!(numbers.start, found.len() as u64, "{shape:?} {chunk:?}");
                    let behind = chunks.row_of(numbers.end - 1);
                    assert_eq!(behind, row, "a row has all of its numbers");
                    let mut bytes = chunks.empty_row(row);
                    for (place, chunk) in chunks.chunks_of(row).iter().enumerate() {
                        let packed = stored[usize::try_from(chunk.address).unwrap()].clone();
                        chunks.put(row, place, packed, &mut bytes).unwrap();
                    }
                    found.extend(bytes);
                }
                assert!(found == all, "{shape:?} {chunk:?} {dimension} {thickness}");
            }
        }
    }
}

#[test]
fn rows_are_as_long_as_memory_allows() {
    let rows = |shape: &[u64], chunk: &[u64]| {
        let (mut chunks, ..) = array(&vec![1; shape.len()], &vec![1; shape.len()], (0, 1));
        (chunks.shape, chunks.chunk) = (shape.to_vec(), chunk.to_vec());
        let visits = chunks.choose_rows();
        (chunks.dimension, chunks.thickness, visits)
    };
    let mega = 1 << 20;
    assert_eq!(rows(&[100, 64, mega], &[1, 64, mega]), (0, 1, 1));
    assert_eq!(rows(&[100, mega], &[10, 5]), (0, 10, 1));
    assert_eq!(rows(&[100, mega], &[100, 5]), (0, 64, 2));
    assert_eq!(rows(&[100, 128, mega], &[1, 8, mega]), (1, 8, 1));
    assert_eq!(rows(&[100, 128, mega], &[4, 128, 10]), (1, 64, 8));
    assert_eq!(rows(&[3, 128, mega], &[4, 8, 10]), (1, 8, 3));
}
