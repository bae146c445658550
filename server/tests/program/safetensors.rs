//! Model weights, on the command line and through the JSON API.

use std::fs;
use std::path::Path;

use reqwest::StatusCode;
use reqwest::header::RANGE;
use serde_json::{Value, json};

use super::exact;
use super::mean_command::{run_badly, run_well};
use super::running::Running;

/// A tensor: its name, type and shape, and the bytes of its numbers.
type Tensor<'a> = (&'a str, &'a str, &'a [u64], Vec<u8>);

/// A safetensors file with these tensors, in this order.
fn file(tensors: &[Tensor<'_>]) -> Vec<u8> {
    let mut header = json!({"__metadata__": {"format": "pt"}});
    let mut data: Vec<u8> = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header[*name] = json!({"dtype": dtype, "shape": shape, "data_offsets": offsets});
        data.extend(bytes);
    }
    let header = header.to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.extend(data);
    file
}

/// The header of a file, and the bytes of one of its tensors.
fn parse(file: &[u8]) -> (Value, impl Fn(&str) -> Vec<u8> + use<>) {
    let length = u64::from_le_bytes(file[..8].try_into().expect("8 bytes"));
    let end = 8 + usize::try_from(length).expect("small");
    let header: Value = serde_json::from_slice(&file[8..end]).expect("JSON");
    let (places, data) = (header.clone(), file[end..].to_vec());
    let tensor = move |name: &str| {
        let place = |index: usize| {
            let offset = places[name]["data_offsets"][index].as_u64().expect("an offset");
            usize::try_from(offset).expect("small")
        };
        data[place(0)..place(1)].to_vec()
    };
    (header, tensor)
}

fn singles(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn halves(bits: &[u16]) -> Vec<u8> {
    bits.iter().flat_map(|bits| bits.to_le_bytes()).collect()
}

/// Two models: the second has its tensors in another order.
fn models() -> [Vec<u8>; 2] {
    let steps = |number: i64| ("steps", "I64", &[][..], number.to_le_bytes().to_vec());
    let weight = |numbers: [f32; 4]| ("layer.weight", "F32", &[2, 2][..], singles(&numbers));
    // 1.0 and 1.0078125, the next number, as bfloat16.
    let bias = |bits: [u16; 3]| ("layer.bias", "BF16", &[3][..], halves(&bits));
    [
        file(&[steps(3), weight([1.0, 2.0, 3.0, 4.0]), bias([0x3f80, 0x3f80, 0x3f81])]),
        file(&[bias([0x3f81, 0x3f80, 0x3f82]), weight([2.0, 2.0, 5.0, -4.0]), steps(6)]),
    ]
}

fn folder_of_models() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in ["a.safetensors", "b.safetensors"].iter().zip(models()) {
        fs::write(folder.path().join(name), bytes).expect("written");
    }
    folder
}

#[test]
fn models_are_averaged_tensor_by_tensor_into_a_model() {
    let folder = folder_of_models();
    let path = folder.path();
    let inputs = ["a.safetensors", "b.safetensors"];
    run_well(path, &[&inputs[..], &["-o", "m.safetensors", "--statistics", "std1"]].concat());
    let (header, tensor) = parse(&fs::read(path.join("m.safetensors")).unwrap());
    assert_eq!(header["__metadata__"]["format"], "pt");
    assert_eq!(header["__metadata__"]["distributed_average.result"], "mean");
    assert_eq!(header["__metadata__"]["distributed_average.files"], "2");
    assert_eq!(header["layer.weight"]["shape"], json!([2, 2]));
    assert_eq!(header["layer.weight"]["dtype"], "F32");
    assert_eq!(tensor("layer.weight"), singles(&[1.5, 2.0, 4.0, 0.0]));
    // Ties, to even; the middle of 0x3f81 and 0x3f82 as well.
    assert_eq!(tensor("layer.bias"), halves(&[0x3f80, 0x3f80, 0x3f82]));
    assert_eq!(tensor("steps"), 4_i64.to_le_bytes());
    let (header, tensor) = parse(&fs::read(path.join("m.std1.safetensors")).unwrap());
    assert_eq!(header["steps"]["dtype"], "F64", "models with integers");
    let expected = (4.5_f64).sqrt();
    assert_eq!(tensor("steps"), expected.to_le_bytes());

    let select = ["--select", "layer.*", "--dtype", "f64", "-o", "d.safetensors"];
    run_well(path, &[&inputs[..], &select].concat());
    let (header, tensor) = parse(&fs::read(path.join("d.safetensors")).unwrap());
    assert_eq!(header.get("steps"), None);
    let bias: Vec<u8> =
        [1.00390625_f64, 1.0, 1.01171875].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(tensor("layer.bias"), bias);

    run_well(path, &[&inputs[..], &["--select", "layer.weight", "-o", "w.csv"]].concat());
    assert_eq!(fs::read_to_string(path.join("w.csv")).unwrap(), "1.5,2.0\n4.0,0.0\n");
    let plan = run_well(path, &["a.safetensors", "b.safetensors", "--plan"]);
    assert!(plan.contains("format    safetensors of several types, 3 tensors"), "{plan}");
    assert!(plan.contains("tensor    layer.weight F32 [2, 2]"), "{plan}");
}

/// A model in two shards, beside a text that belongs to it, below a folder.
fn write_shards(folder: &Path, tensors: [Tensor<'_>; 2], bias: f32) {
    fs::create_dir(folder).expect("a folder");
    let map = json!({tensors[0].0: "1.safetensors", tensors[1].0: "1.safetensors",
        "head.bias": "2.safetensors"});
    let index = json!({"metadata": {}, "weight_map": map}).to_string();
    for (name, bytes) in [
        ("model.safetensors.index.json", index.into_bytes()),
        ("merges.txt", b"#version: 0.2\n".to_vec()),
        ("1.safetensors", file(&tensors)),
        ("2.safetensors", file(&[("head.bias", "F32", &[1], singles(&[bias]))])),
    ] {
        fs::write(folder.join(name), bytes).expect("written");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_in_shards_are_averaged_into_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let a = |x| ("a", "F32", &[2][..], singles(&[x, 1.0]));
    let b = |bits| ("b", "BF16", &[1][..], halves(&[bits]));
    write_shards(&path.join("one"), [a(1.0), b(0x3f80)], 3.0);
    write_shards(&path.join("two"), [b(0x4000), a(2.0)], 5.0);
    let check = |bytes: &[u8], expected: [f32; 2]| {
        let (header, tensor) = parse(bytes);
        assert_eq!(header["__metadata__"]["format"], "pt");
        assert_eq!(tensor("a"), singles(&[expected[0], 1.0]));
        assert_eq!(tensor("head.bias"), singles(&[expected[1]]));
    };
    // As folders, as a pattern of indexes, and as folders with weights.
    fs::write(path.join("w.csv"), "file,weight\none,3\ntwo,1\n").unwrap();
    for (arguments, expected) in [
        (&["one", "two"][..], [1.5, 4.0]),
        (&["*/*.safetensors.index.json"], [1.5, 4.0]),
        (&["one", "two", "--weights", "w.csv"], [1.25, 3.5]),
    ] {
        run_well(path, &[arguments, &["-o", "m.safetensors"]].concat());
        check(&fs::read(path.join("m.safetensors")).unwrap(), expected);
    }
    let plan = run_well(path, &["one", "two", "--plan"]);
    assert!(plan.contains("safetensors of several types, 3 tensors in 2 shards"), "{plan}");
    let error = run_badly(path, &["one", "two", "-o", "one/2.safetensors"]);
    assert!(error.contains("one/2.safetensors belongs to the model"), "{error}");

    let running = Running::start(&path.join("store")).await;
    for model in ["one", "two"] {
        for name in ["model.safetensors.index.json", "merges.txt", "1.safetensors", "2.safetensors"]
        {
            let bytes = fs::read(path.join(model).join(name)).unwrap();
            running.upload(&format!("in/{model}/{name}"), bytes).await;
        }
    }
    let request = json!({"inputs": {"prefix": "in"}});
    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(ended["inputs"]["objects"], 2);
    assert_eq!(
        ended["inputs"]["skipped"]["first"],
        json!(["in/one/merges.txt", "in/two/merges.txt"])
    );
    let result = running.get(&format!("/api/jobs/{job}/result?format=safetensors")).await;
    check(&result.bytes().await.unwrap(), [1.5, 4.0]);
    let inputs: Value = running.get(&format!("/api/jobs/{job}/inputs")).await.json().await.unwrap();
    let parts = &inputs["inputs"][1]["parts"];
    assert_eq!(parts[2]["location"], "in/two/2.safetensors", "{inputs}");
    assert!(parts[2]["version"].is_string(), "{inputs}");

    // An index alone, whose shard is missing, and one that leads elsewhere.
    let index = fs::read(path.join("one/model.safetensors.index.json")).unwrap();
    running.upload("n/model.safetensors.index.json", index).await;
    let refused = running.failure(&json!({"inputs": {"prefix": "n"}})).await;
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("n/model.safetensors.index.json"), "{refused}");
    assert!(detail.contains("n/1.safetensors"), "{refused}");
    let index = json!({"weight_map": {"a": "../in/one/1.safetensors"}}).to_string();
    running.upload("e/model.safetensors.index.json", index).await;
    let refused = running.failure(&json!({"inputs": {"prefix": "e"}})).await;
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("does not lie beside the index"), "{refused}");
    running.stop().await;
}

#[test]
fn errors_name_the_file_the_tensor_and_the_other_file() {
    let folder = folder_of_models();
    let path = folder.path();
    let weight = |shape: &'static [u64]| ("layer.weight", "F32", shape, singles(&[1.0; 4]));
    let [model, _] = models();
    fs::write(path.join("c.safetensors"), file(&[weight(&[2, 2])])).unwrap();
    fs::write(path.join("d.safetensors"), file(&[weight(&[4])])).unwrap();
    fs::write(path.join("cut.safetensors"), &model[..model.len() - 1]).unwrap();
    fs::write(path.join("n.npy"), exact::to_npy("4,", &[1.0; 4])).unwrap();
    let fortran = exact::to_npy("2, 2", &[1.0; 4]);
    let place = fortran.windows(5).position(|word| word == b"False").unwrap();
    let fortran = [&fortran[..place], b"True ", &fortran[place + 5..]].concat();
    fs::write(path.join("f.npy"), fortran).unwrap();
    for (arguments, words) in [
        (
            &["a.safetensors", "c.safetensors"][..],
            &["c.safetensors: has no tensor \"steps\", which ", "a.safetensors has", "select"][..],
        ),
        (
            &["c.safetensors", "a.safetensors"],
            &["a.safetensors: has the tensor \"steps\", which ", "c.safetensors has not"],
        ),
        (
            &["c.safetensors", "d.safetensors"],
            &["d.safetensors: the tensor \"layer.weight\" has the shape [4], in ", "[2, 2]"],
        ),
        (&["a.safetensors", "--select", "head*"], &["a.safetensors: has no tensor \"head*\""]),
        (&["cut.safetensors"], &["cut.safetensors: byte", "ends at byte", "copy the file again"]),
        (&["n.npy", "--dtype", "f32"], &["are f64 where the inputs have another", "npy f8"]),
        (&["f.npy"], &["in Fortran order, which .safetensors files have not", ".npy"]),
        (&["a.safetensors", "n.npy"], &["n.npy: has no named columns, and ", "has tensors"]),
    ] {
        let error = run_badly(path, &[arguments, &["--output", "m.safetensors"]].concat());
        for word in words {
            assert!(error.contains(word), "{arguments:?} gives {error}, where {word} was expected");
        }
        assert!(!path.join("m.safetensors").exists());
    }
    let dtype = run_badly(path, &["a.safetensors", "--dtype", "f16", "-o", "m.npy"]);
    assert!(dtype.contains("an --output that ends in .safetensors: as .npy they are"), "{dtype}");
    let dtype = run_badly(path, &["a.safetensors", "--dtype", "f16", "-o", "m.csv"]);
    assert!(dtype.contains("--dtype needs an --output that ends in .npy"), "{dtype}");
}

#[test]
fn results_of_other_inputs_can_be_models() {
    let folder = folder_of_models();
    let path = folder.path();
    fs::write(path.join("a.npy"), exact::to_npy("2, 3", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.5])).unwrap();
    run_well(path, &["a.npy", "a.npy", "--statistics", "max", "-o", "m.safetensors"]);
    let (header, tensor) = parse(&fs::read(path.join("m.safetensors")).unwrap());
    assert_eq!(header["mean"]["dtype"], "F64");
    assert_eq!(header["mean"]["shape"], json!([2, 3]));
    let about = header["__metadata__"]["distributed_average"].as_str().unwrap();
    assert!(about.contains("mean of 2 files"), "{about}");
    assert_eq!(tensor("mean")[40..], 6.5_f64.to_le_bytes());
    let (header, _) = parse(&fs::read(path.join("m.max.safetensors")).unwrap());
    assert_eq!(header["max"]["shape"], json!([2, 3]));
    // A model as NetCDF, and that as a model again: each tensor keeps its name and its shape.
    run_well(path, &["a.safetensors", "b.safetensors", "-o", "m.nc"]);
    run_well(path, &["m.nc", "-o", "n.safetensors"]);
    let (header, tensor) = parse(&fs::read(path.join("n.safetensors")).unwrap());
    assert_eq!(header["layer.weight"]["shape"], json!([2, 2]));
    let weight = [1.5_f64, 2.0, 4.0, 0.0].map(f64::to_le_bytes).concat();
    assert_eq!(tensor("layer.weight"), weight);
    assert_eq!(tensor("steps"), 4.5_f64.to_le_bytes());
}

/// A model of some tensors that are longer than a segment, with numbers that depend on
/// `seed`; in another order if it is odd.
fn long_model(seed: u64) -> (Vec<u8>, Vec<f32>) {
    let mut state = seed;
    let lengths = [3_u64, 400_001, 70_000, 0, 250_003];
    let mut tensors: Vec<(String, u64, Vec<f32>)> = Vec::new();
    for (index, length) in lengths.into_iter().enumerate() {
        let numbers = (0..length).map(|_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            #[expect(clippy::cast_precision_loss, reason = "24 bits")]
            let number = (state >> 40) as f32 / 1024.0;
            number
        });
        tensors.push((format!("t{index}"), length, numbers.collect()));
    }
    let all = tensors.iter().flat_map(|(.., numbers)| numbers.iter().copied()).collect();
    if seed % 2 == 1 {
        tensors.reverse();
    }
    let shapes: Vec<[u64; 1]> = tensors.iter().map(|(_, length, _)| [*length]).collect();
    let written: Vec<Tensor<'_>> = tensors
        .iter()
        .zip(&shapes)
        .map(|((name, _, numbers), shape)| (name.as_str(), "F32", &shape[..], singles(numbers)))
        .collect();
    (file(&written), all)
}

#[test]
fn long_models_are_the_same_by_any_tree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut sums = Vec::new();
    for seed in 0..7 {
        let (bytes, numbers) = long_model(seed);
        fs::write(path.join(format!("{seed}.safetensors")), bytes).unwrap();
        sums.resize(numbers.len(), 0.0);
        for (sum, number) in sums.iter_mut().zip(numbers) {
            *sum += f64::from(number);
        }
    }
    // Multiples of 2^-10 below 2^14 add up exactly.
    let expected: Vec<f64> = sums.iter().map(|sum| sum / 7.0).collect();
    for settings in [&["--fan-in", "7", "--workers", "1"][..], &["--fan-in", "2", "--workers", "3"]]
    {
        run_well(path, &[&["*.safetensors", "-o", "m.npy"], settings].concat());
        let found = exact::parse_npy(&fs::read(path.join("m.npy")).unwrap());
        assert!(found == expected, "{settings:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_planned_averaged_and_downloaded_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for (name, bytes) in ["a.safetensors", "b.safetensors"].iter().zip(models()) {
        running.upload(&format!("in/{name}"), bytes).await;
    }
    let request = json!({"inputs": {"prefix": "in"}, "select": ["layer*"],
        "output": {"dtype": "f16"}, "statistics": ["range"]});
    let plan: Value = running.post("/api/plan", &request).await.json().await.unwrap();
    let tensors = &plan["inputs"]["tensors"];
    assert_eq!(tensors["count"], 2, "{plan}");
    assert_eq!(
        tensors["first"][1],
        json!({"name": "layer.bias", "dtype": "BF16", "shape": [3]}),
        "{plan}"
    );
    let page = running.get("/?plan=shown&source=prefix&prefix=in&select=layer*").await;
    let page = page.text().await.unwrap();
    assert!(page.contains("layer.bias") && page.contains("BF16"), "{page}");

    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(ended["request"]["output"]["dtype"], "f16");
    let path = format!("/api/jobs/{job}/result?format=safetensors");
    let response = running.get(&path).await;
    assert_eq!(response.status(), StatusCode::OK);
    let disposition = response.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.ends_with(".safetensors\""), "{disposition}");
    let bytes = response.bytes().await.unwrap();
    assert_eq!(ended["result"]["safetensors"]["bytes"], bytes.len());
    let (header, tensor) = parse(&bytes);
    assert_eq!(header["__metadata__"]["distributed_average.job"], json!(job));
    assert_eq!(header["layer.bias"]["dtype"], "F16");
    assert_eq!(tensor("layer.weight"), halves(&[0x3e00, 0x4000, 0x4400, 0]));
    let part = running.http.get(format!("{}{path}", running.url)).header(RANGE, "bytes=8-11");
    let part = part.send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), bytes[8..12]);
    let range = running.get(&format!("{path}&statistic=range")).await.bytes().await.unwrap();
    assert_eq!(parse(&range).1("layer.weight"), halves(&[0x3c00, 0, 0x4000, 0x4800]));
    let page = running.get(&format!("/jobs/{job}")).await.text().await.unwrap();
    assert!(page.contains("format=safetensors"), "{page}");
    let csv = running.get(&format!("/api/jobs/{job}/result?format=csv")).await;
    assert_eq!(exact::parse(&csv.text().await.unwrap()).len(), 7);

    // One of its tensors, in its own shape.
    let part = format!("/api/jobs/{job}/result?part=layer.weight");
    let npy = running.get(&part).await.bytes().await.unwrap();
    assert!(String::from_utf8_lossy(&npy).contains("'shape': (2, 2), "));
    assert_eq!(exact::parse_npy(&npy), [1.5, 2.0, 4.0, 0.0]);
    let range = running.get(&format!("{part}&statistic=range&format=csv")).await;
    assert_eq!(range.text().await.unwrap(), "1.0\n0.0\n2.0\n8.0\n");
    for (query, status, words) in [
        ("part=steps", 404, "the result has no tensor \"steps\""),
        ("part=layer.bias&columns=0..1", 400, "both columns and a part"),
        ("part=layer.bias&format=safetensors", 400, "cannot be had as safetensors"),
    ] {
        let refused = running.get(&format!("/api/jobs/{job}/result?{query}")).await;
        assert_eq!(refused.status(), status, "{query}");
        let text = refused.text().await.unwrap();
        let text = text.replace("\\\"", "\"");
        assert!(text.contains(words), "{query}: {text}");
    }

    // A result is a model too.
    let again = json!({"inputs": {"objects":
        [format!("jobs/{job}/result/mean.safetensors"), "in/a.safetensors"]}, "select": ["layer*"]});
    let again = running.submit(&again).await;
    assert_eq!(running.follow(&again).await["phase"], "done");

    running.upload("n/a.csv", "1,2").await;
    let refused =
        running.failure(&json!({"inputs": {"prefix": "n"}, "output": {"dtype": "bf16"}})).await;
    assert_eq!(refused["field"], "output.dtype", "{refused}");
    let plain = running.submit(&json!({"inputs": {"prefix": "n"}})).await;
    running.follow(&plain).await;
    let path = format!("/api/jobs/{plain}/result?format=safetensors");
    let (header, tensor) = parse(&running.get(&path).await.bytes().await.unwrap());
    assert_eq!(header["mean"]["shape"], json!([2]));
    assert_eq!(tensor("mean"), [1.0_f64, 2.0].map(f64::to_le_bytes).concat());
    running.stop().await;
}
