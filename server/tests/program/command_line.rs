//! `distributed-average mean` and `generate`.

use std::path::Path;
use std::process::{Command, Output};

use protocol::request::{Choice, Statistic};

use super::exact;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_distributed-average"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program runs")
}

fn run_well(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{error}");
    assert_eq!(error, "", "quiet when standard error is no terminal");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn run_badly(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(!output.status.success());
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn generated_files_have_the_same_bytes_for_the_same_seed() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("a", "1"), ("b", "1"), ("c", "2")] {
        let arguments = ["generate", name, "--files", "3", "--count", "1000", "--seed", seed];
        run_well(folder.path(), &arguments);
    }
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("a/2.csv"), read("b/2.csv"));
    assert_ne!(read("a/2.csv"), read("c/2.csv"));
    assert_ne!(read("a/1.csv"), read("a/2.csv"));
}

#[test]
fn the_mean_of_generated_files_is_exact_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for format in ["csv", "npy"] {
        let name = format!("in-{format}");
        let generate = ["generate", &name, "--files", "17", "--count", "3000", "--format", format];
        run_well(path, &generate);
        let files: Vec<_> =
            (0..17).map(|n| path.join(&name).join(format!("{n:02}.{format}"))).collect();
        let arrays: Vec<Vec<f64>> = files
            .iter()
            .map(|file| match format {
                "npy" => exact::parse_npy(&std::fs::read(file).unwrap()),
                _ => exact::parse(&std::fs::read_to_string(file).unwrap()),
            })
            .collect();
        let expected = exact::mean(&arrays);
        run_well(path, &["mean", &name, "--output", "mean.npy", "--workers", "3"]);
        let result = exact::parse_npy(&std::fs::read(path.join("mean.npy")).unwrap());
        assert_eq!(exact::bits(&result), exact::bits(&expected));
        let pattern = format!("{name}/*");
        let otherwise = ["--fan-in", "2", "--speculation", "original"];
        let printed = run_well(path, &[&["mean", &pattern, "-o", "-"][..], &otherwise].concat());
        assert_eq!(exact::bits(&exact::parse(&printed)), exact::bits(&expected));
    }
}

#[test]
fn the_mean_is_an_ordinary_file_wherever_the_scratch_folder_lies() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    run_well(path, &["generate", "in", "--files", "5", "--count", "2000", "--format", "npy"]);
    std::fs::write(path.join("ordinary"), "").unwrap();
    let of_file = |name: &str| std::fs::metadata(path.join(name)).unwrap();
    let mut found = Vec::new();
    // The last one is another file system.
    for scratch in [path.to_str().unwrap(), "/dev/shm"] {
        for _ in ["new", "replaced"] {
            run_well(path, &["mean", "in", "--output", "mean.npy", "--scratch", scratch]);
            assert_eq!(of_file("mean.npy").mode(), of_file("ordinary").mode());
            found.push(std::fs::read(path.join("mean.npy")).unwrap());
        }
    }
    assert!(found.iter().all(|bytes| *bytes == found[0]));
    let mut left: Vec<_> =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["in", "mean.npy", "ordinary"]);
}

#[test]
fn statistics_are_written_beside_the_mean() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (name, text) in ["a.csv", "b.csv", "c.csv"].into_iter().zip(exact::THREE) {
        std::fs::write(path.join(name), text).unwrap();
    }
    let words: Vec<&str> = Statistic::ALL.iter().map(|statistic| statistic.word()).collect();
    let all = words.join(",");
    for extension in ["csv", "npy"] {
        let output = format!("mean.{extension}");
        run_well(path, &["mean", "*.csv", "--output", &output, "--statistics", &all]);
        // The outputs are deleted, so that the next run does not read them as inputs.
        let take = |name: &str| -> Vec<f64> {
            let file = path.join(name);
            let bytes = std::fs::read(&file).unwrap();
            std::fs::remove_file(file).unwrap();
            match extension {
                "npy" => exact::parse_npy(&bytes),
                _ => exact::parse(std::str::from_utf8(&bytes).unwrap()),
            }
        };
        assert_eq!(take(&output), [2.0, 0.5, -2.0]);
        for &statistic in Statistic::ALL {
            let found = take(&format!("mean.{}.{extension}", statistic.word()));
            assert_eq!(found, exact::statistic_of_three(statistic), "{statistic:?}");
        }
    }
    let refused = run_badly(path, &["mean", "*.csv", "-o", "-", "--statistics", "min"]);
    assert!(refused.contains("--output"), "{refused}");
    let unknown = run_badly(path, &["mean", "*.csv", "-o", "m.csv", "--statistics", "median"]);
    assert!(unknown.contains(&words.join(", ")), "{unknown}");
    let plain = run_badly(path, &["mean", "*.csv", "-o", "m.csv", "--speculation", "plain"]);
    assert!(plain.contains("resume, original, off"), "{plain}");
}

#[test]
fn values_out_of_bounds_are_refused_with_the_rule_and_words_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let generate =
        |files, count| run_badly(path, &["generate", "in", "--files", files, "--count", count]);
    assert!(generate("0", "1").contains("files must be a whole number from 1; “0” is not one"));
    assert!(generate("1", "none").contains("count must be a whole number from 1; “none” is not"));
    let fan_in = run_badly(path, &["mean", "in", "--plan", "--fan-in", "1"]);
    assert!(fan_in.contains("fan_in must be “auto” or a whole number from 2"), "{fan_in}");
    let workers = run_badly(path, &["mean", "in", "--plan", "--workers", "0"]);
    assert!(workers.contains("workers must be a whole number from 1"), "{workers}");
    let help = run_well(path, &["mean", "--help"]);
    let readme = include_str!("../../../README.md");
    for statistic in Statistic::ALL {
        let word = statistic.word();
        assert!(help.contains(&format!("- {word}:")), "{word}: {help}");
        for listed in [format!("`{word}`"), format!("\"{word}\"")] {
            assert!(readme.contains(&listed), "the README lists {listed}");
        }
    }
}

#[test]
fn a_plan_is_printed_and_nothing_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    run_well(folder.path(), &["generate", "in", "--files", "40", "--count", "100"]);
    let plan = run_well(folder.path(), &["mean", "in", "--plan", "--fan-in", "5"]);
    assert!(plan.contains("fan-in    5"), "{plan}");
    assert!(plan.contains("8 nodes"), "{plan}");
    assert!(plan.contains("memory"), "{plan}");
}

#[test]
fn errors_name_the_file_as_the_user_knows_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    std::fs::write(path.join("a.csv"), "1,2,three").unwrap();
    let error = run_badly(&path, &["mean", "a.csv", "-o", "-"]);
    let file = path.join("a.csv");
    assert!(error.starts_with(&format!("error: {}: line 1", file.display())), "{error}");
    assert!(error.contains("three"), "{error}");
    assert!(run_badly(&path, &["mean", "no.csv", "-o", "-"]).contains("no.csv"));
    assert!(run_badly(&path, &["mean", "a.csv", "-o", "x.doc"]).contains(".npy"));
    assert!(!path.join("x.doc").exists());
}

#[test]
fn a_password_is_repeated_neither_by_errors_nor_by_help() {
    let folder = tempfile::tempdir().unwrap();
    for (queue, said) in [
        ("kafka://user:hunter2@broker", "expected embedded | amqp://..."),
        ("amqp://user:hunter2@broker:port", "--queue"),
    ] {
        let refused = run_badly(folder.path(), &["serve", "--queue", queue]);
        assert!(refused.contains(said) && refused.contains("***@broker"), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_distributed-average"))
        .args(["serve", "--help"])
        .env("DISTRIBUTED_AVERAGE_QUEUE", "amqp://user:hunter2@broker")
        .output()
        .expect("the program runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    assert!(help.contains("DISTRIBUTED_AVERAGE_QUEUE") && !help.contains("hunter2"), "{help}");
}

#[test]
fn a_bucket_of_no_region_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Command::new(env!("CARGO_BIN_EXE_distributed-average"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        serve.env_remove(name);
    }
    let serve = serve.args(["serve", "--listen", "127.0.0.1:0", "--store", "s3://bucket/prefix"]);
    let serve = serve.env("HOME", folder.path()).env("AWS_EC2_METADATA_DISABLED", "true");
    let output = serve.output().expect("the program runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("set AWS_REGION"), "{error}");
}
