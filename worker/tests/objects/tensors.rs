//! Model weights whose tensors lie in another order in each file.

use protocol::task::{Direction, InputObject, Work};

use super::scene::Scene;

/// The lengths of the tensors that are averaged; `skip` lies between them.
const LENGTHS: [usize; 5] = [1, 7_001, 0, 9_000, 3_333];
const SKIPPED: usize = 50_000;

/// The numbers of a tensor in a file.
fn numbers(file: usize, tensor: usize) -> Vec<f32> {
    (0..LENGTHS[tensor])
        .map(|index| u16::try_from(index).map_or(0.0, f32::from) + u8_of(file * 10 + tensor))
        .collect()
}

fn u8_of(number: usize) -> f32 {
    u8::try_from(number).map_or(0.0, f32::from)
}

/// A file whose tensors begin with another one than those of the file before.
fn model(file: usize) -> Vec<u8> {
    let order: Vec<usize> = (0..LENGTHS.len()).map(|turn| (turn + file) % LENGTHS.len()).collect();
    written(file, &order, true)
}

/// Tensors of a file in some order, with one among them that is not averaged.
fn written(file: usize, order: &[usize], skips: bool) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    let mut add = |name: &str, numbers: &[f32]| {
        let begin = data.len();
        data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        let (end, length) = (data.len(), numbers.len());
        entries.push(format!(
            r#""{name}":{{"dtype":"F32","shape":[{length}],"data_offsets":[{begin},{end}]}}"#
        ));
    };
    for (turn, &tensor) in order.iter().enumerate() {
        add(&format!("t{tensor}"), &numbers(file, tensor));
        if skips && turn == 1 {
            add("skip", &vec![f32::NAN; SKIPPED]);
        }
    }
    let header = format!("{{{}}}", entries.join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

/// The mean of so many files.
fn mean(files: usize) -> Vec<f64> {
    let of_file = |file: usize| (0..LENGTHS.len()).flat_map(move |tensor| numbers(file, tensor));
    let mut sums = vec![0.0; LENGTHS.iter().sum()];
    for file in 0..files {
        for (sum, number) in sums.iter_mut().zip(of_file(file)) {
            *sum += f64::from(number);
        }
    }
    sums.iter().map(|sum| sum / files as f64).collect()
}

/// Averages all tensors but that which is skipped.
fn averaging(objects: Vec<InputObject>) -> Work {
    Work::Sum {
        reference: Some(objects[0].clone()),
        objects,
        raw: None,
        header: None,
        select: vec!["t*".to_owned()],
        key: None,
        keys: None,
        fortran_order: false,
    }
}

#[tokio::test]
async fn are_summed_in_the_order_of_the_first_file() {
    for files in [3, 8] {
        let columns: usize = LENGTHS.iter().sum();
        let mut scene = Scene::empty(columns as u64);
        scene.segment_columns = 3000;
        scene.settings.range_bytes = 20_000;
        for file in 0..files {
            scene.add(&format!("{file}.safetensors"), &model(file));
        }
        let expected = mean(files);
        scene.work = Some(averaging(scene.objects.clone()));
        for (has_files, direction) in [
            (true, Direction::Forward),
            (true, Direction::Backward),
            (false, Direction::Forward),
            (false, Direction::Backward),
        ] {
            (scene.has_files, scene.direction) = (has_files, direction);
            let ended = scene.sum().await;
            assert_eq!(ended.outcome().columns, columns as u64);
            let found = ended.mean(&scene).await;
            assert!(found == expected, "{files} files, {has_files}, {direction:?}");
            // What is not selected is passed over; the head of each file is read for its header.
            let read = ended.store.seen().read_bytes;
            let most = files * 4 * columns + (files + 1) * scene.settings.range_bytes;
            assert!(read <= most as u64, "{read} bytes were read of {most} at most");
        }
    }
}

/// One file has all tensors, the others have them in two or three shards.
#[tokio::test]
async fn shards_are_summed_as_one_file() {
    let columns: usize = LENGTHS.iter().sum();
    let mut scene = Scene::empty(columns as u64);
    scene.segment_columns = 3000;
    scene.settings.range_bytes = 20_000;
    scene.add("0.safetensors", &model(0));
    let splits: [&[&[usize]]; 3] =
        [&[&[3, 1], &[0, 4, 2]], &[&[2], &[4, 0], &[1, 3]], &[&[0, 1, 2, 3, 4]]];
    for (file, shards) in (1..).zip(splits) {
        let places: Vec<String> = (shards.iter().enumerate())
            .flat_map(|(at, tensors)| {
                tensors.iter().map(move |it| format!(r#""t{it}":"{file}-{at}""#))
            })
            .collect();
        let index = format!(r#"{{"weight_map":{{{}}}}}"#, places.join(","));
        scene.add(&format!("{file}.safetensors.index.json"), index.as_bytes());
        for (at, tensors) in shards.iter().enumerate() {
            scene.add(&format!("{file}-{at}"), &written(file, tensors, at == 1));
        }
        scene.join(shards.len() + 1);
    }
    scene.work = Some(averaging(scene.objects.clone()));
    let expected = mean(scene.objects.len());
    for (has_files, direction) in [
        (true, Direction::Forward),
        (true, Direction::Backward),
        (false, Direction::Forward),
        (false, Direction::Backward),
    ] {
        (scene.has_files, scene.direction) = (has_files, direction);
        let ended = scene.sum().await;
        assert_eq!(ended.outcome().columns, columns as u64);
        assert!(ended.mean(&scene).await == expected, "{has_files}, {direction:?}");
    }
}
