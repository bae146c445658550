//! HDF5 files whose parts lead in circles, are shared by many, or say that they are larger than
//! memory: each is an error that says where, in bounded time and memory.

use protocol::request::ReadOptions;
use summation::{Detection, Format, HEAD_BYTES};

use crate::netcdf::{detect_with, options};

/// What stands for no address.
const NOWHERE: u64 = u64::MAX;

/// A message of an object header: its type, and what it says.
type Message = (u16, Vec<u8>);

/// An HDF5 file of the first version, which has no checksums.
struct File {
    bytes: Vec<u8>,
}

impl File {
    fn new() -> File {
        let mut bytes = b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0\x04\0\x10\0\0\0\0\0".to_vec();
        bytes.extend([0, NOWHERE, NOWHERE, NOWHERE, 0, 0].iter().flat_map(|it| it.to_le_bytes()));
        bytes.resize(96, 0);
        File { bytes }
    }

    /// Appends something; returns its address.
    fn put(&mut self, bytes: &[u8]) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let address = self.bytes.len() as u64;
        self.bytes.extend(bytes);
        address
    }

    /// An object header with these messages.
    fn header(&mut self, messages: &[Message]) -> u64 {
        let block = block(messages);
        let mut header = vec![1, 0];
        header.extend(u16::try_from(messages.len()).expect("few").to_le_bytes());
        header.extend(1_u32.to_le_bytes());
        header.extend(u32::try_from(block.len()).expect("short").to_le_bytes());
        header.extend([0; 4]);
        header.extend(block);
        self.put(&header)
    }

    /// The file with this object as its root.
    fn with_root(mut self, address: u64) -> Vec<u8> {
        self.bytes[64..72].copy_from_slice(&address.to_le_bytes());
        self.bytes
    }

    /// The file with a root that links to these objects.
    fn with_links(mut self, links: &[(String, u64)]) -> Vec<u8> {
        let links: Vec<Message> = links.iter().map(|(name, at)| link(name, *at)).collect();
        let parts: Vec<(u64, u64)> = links
            .chunks(1000)
            .map(|links| {
                let block = block(links);
                (self.put(&block), block.len() as u64)
            })
            .collect();
        let parts: Vec<Message> = parts.into_iter().map(continuation).collect();
        let root = self.header(&parts);
        self.with_root(root)
    }
}

/// Messages as they follow one another.
fn block(messages: &[Message]) -> Vec<u8> {
    let mut block = Vec::new();
    for (kind, data) in messages {
        let length = data.len().next_multiple_of(8);
        block.extend(kind.to_le_bytes());
        block.extend(u16::try_from(length).expect("short").to_le_bytes());
        block.extend([0; 4]);
        block.extend(data);
        block.resize(block.len().next_multiple_of(8), 0);
    }
    block
}

fn longs(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn link(name: &str, address: u64) -> Message {
    let mut data = vec![1, 1];
    data.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
    data.extend(name.bytes());
    data.extend(address.to_le_bytes());
    (0x06, data)
}

fn continuation((address, bytes): (u64, u64)) -> Message {
    (0x10, longs(&[address, bytes]))
}

/// A text of a fixed length.
const TEXT: [u8; 4] = [0x13, 0, 0, 0];
/// A text of any length in a heap.
const TEXT_IN_HEAP: [u8; 4] = [0x19, 1, 0, 0];

/// An attribute of `count` elements of `size` bytes.
fn attribute(kind: [u8; 4], size: u32, count: u64, data: &[u8]) -> Message {
    let mut message = vec![1, 0, 8, 0, 8, 0, 16, 0];
    message.extend(b"name\0\0\0\0");
    message.extend(kind);
    message.extend(size.to_le_bytes());
    message.extend([1, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(count.to_le_bytes());
    message.extend(data);
    (0x0C, message)
}

fn shape(lengths: &[u64]) -> Message {
    let mut data = vec![1, u8::try_from(lengths.len()).expect("few"), 0, 0, 0, 0, 0, 0];
    data.extend(longs(lengths));
    (0x01, data)
}

/// Numbers of double precision, little-endian.
fn double() -> Message {
    let mut data = vec![0x11, 0x20, 0x3f, 0, 8, 0, 0, 0, 0, 0, 64, 0, 52, 11, 0, 52];
    data.extend(1023_u32.to_le_bytes());
    (0x03, data)
}

/// Numbers that lie one after the other.
fn contiguous(address: u64, bytes: u64) -> Message {
    (0x08, [vec![3, 1], longs(&[address, bytes])].concat())
}

/// Numbers in chunks, which a tree lists.
fn chunked(tree: u64, chunk: &[u32]) -> Message {
    let mut data = vec![3, 2, u8::try_from(chunk.len() + 1).expect("few")];
    data.extend(tree.to_le_bytes());
    data.extend(chunk.iter().chain([&8]).flat_map(|length| length.to_le_bytes()));
    (0x08, data)
}

/// A node of a tree of chunks of one dimension, whose entries all lead to one place.
fn node(level: u8, count: u16, child: u64) -> Vec<u8> {
    let mut node = b"TREE\x01".to_vec();
    node.push(level);
    node.extend(count.to_le_bytes());
    node.extend(longs(&[NOWHERE, NOWHERE]));
    for _ in 0..count {
        node.extend(longs(&[8, 0, 0, child]));
    }
    node
}

/// Variables of a shape that have no other messages than these, by their names.
fn variables(file: &mut File, count: usize, messages: &[Message]) -> Vec<(String, u64)> {
    (0..count).map(|at| (format!("v{at}"), file.header(messages))).collect()
}

/// What is said of a file that is refused; it says where.
fn refused(bytes: &[u8], entries: &[&str]) -> String {
    let error = match detect_with(bytes, &options(entries, None)) {
        Ok(format) => panic!("{}", format.describe()),
        Err(error) => error,
    };
    assert!(error.byte.is_some(), "{error}");
    error.to_string()
}

fn is_refused(bytes: &[u8], entries: &[&str], words: &str) {
    let error = refused(bytes, entries);
    assert!(error.contains(words), "{error}, where {words} was expected");
}

const SHARED: &str = "structures that share their parts";
const TOO_MUCH: &str = "more than 64 MiB that describe the numbers";

/// Attributes of 60,000 bytes each, and how long they are together.
fn long_attributes(file: &mut File) -> (u64, u64) {
    let one = attribute(TEXT, 60_000, 1, &[b'x'; 60_000]);
    let attributes = block(&vec![one; 16]);
    (file.put(&attributes), attributes.len() as u64)
}

#[test]
fn the_file_is_one_that_can_be_read() {
    let mut file = File::new();
    let numbers = file.put(&[1.5_f64, 2.5].map(f64::to_le_bytes).concat());
    let messages = [shape(&[2]), double(), contiguous(numbers, 16)];
    let links = variables(&mut file, 3, &messages);
    let bytes = file.with_links(&links);
    let format = detect_with(&bytes, &ReadOptions::default()).expect("a file");
    assert_eq!(format.columns(0), Some(6));
    let extents = format.extents(&(0..2)).expect("variables have extents");
    assert_eq!((extents.len(), extents.first()), (1, Some(&(numbers..numbers + 16))));
}

#[test]
fn attributes_that_many_objects_share_take_no_memory_each() {
    let mut file = File::new();
    let attributes = long_attributes(&mut file);
    let links = variables(&mut file, 1000, &[continuation(attributes)]);
    is_refused(&file.with_links(&links), &[], SHARED);
    // Those of one object that is continued at the same place again and again.
    let mut file = File::new();
    let attributes = long_attributes(&mut file);
    let root = file.header(&vec![continuation(attributes); 4000]);
    is_refused(&file.with_root(root), &[], SHARED);
    // As many of them, none of which is shared.
    let mut file = File::new();
    let small = attribute(TEXT, 8, 1, b"12345678");
    let links: Vec<(String, u64)> = (0..6)
        .map(|at| {
            let attributes = block(&vec![small.clone(); 50_000]);
            let place = (file.put(&attributes), attributes.len() as u64);
            (format!("v{at}"), file.header(&[continuation(place)]))
        })
        .collect();
    is_refused(&file.with_links(&links), &[], TOO_MUCH);
}

#[test]
fn a_text_that_many_elements_share_takes_no_memory_each() {
    let mut file = File::new();
    let mut heap = b"GCOL\x01\0\0\0".to_vec();
    let length = 1_u64 << 20;
    heap.extend(longs(&[16 + 16 + length]));
    heap.extend(longs(&[1, length]));
    heap.resize(heap.len() + (1 << 20), b'x');
    let heap = file.put(&heap);
    let mut element = u32::try_from(length).expect("short").to_le_bytes().to_vec();
    element.extend(heap.to_le_bytes());
    element.extend(1_u32.to_le_bytes());
    let many = attribute(TEXT_IN_HEAP, 16, 2000, &element.repeat(2000));
    let root = file.header(&[many]);
    is_refused(&file.with_root(root), &[], TOO_MUCH);
}

#[test]
fn names_are_not_longer_than_names_are() {
    // A heap of names in which no name ends.
    let mut file = File::new();
    let text = vec![b'x'; 1 << 20];
    let text = file.put(&text);
    let mut heap = b"HEAP\0\0\0\0".to_vec();
    heap.extend(longs(&[1 << 20, NOWHERE, text]));
    let heap = file.put(&heap);
    let mut symbols = b"SNOD\x01\0".to_vec();
    symbols.extend(1000_u16.to_le_bytes());
    symbols.resize(8 + 40 * 1000, 0);
    let symbols = file.put(&symbols);
    let root = file.header(&[(0x11, longs(&[symbols, heap]))]);
    is_refused(&file.with_root(root), &[], "a name of more than 1024 bytes");
    // Groups whose names are long together.
    let mut file = File::new();
    let mut address = file.header(&[shape(&[1]), double(), contiguous(NOWHERE, 8)]);
    for _ in 0..6 {
        address = file.header(&[link(&"g".repeat(200), address)]);
    }
    is_refused(&file.with_root(address), &[], "a name of more than 1024 bytes");
}

#[test]
fn groups_may_lead_in_circles_and_not_be_too_deep() {
    let mut file = File::new();
    let place = file.bytes.len() as u64;
    let messages = [link("again", place), link("root", place)];
    assert_eq!(file.header(&messages), place);
    let error = detect_with(&file.with_root(place), &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("without numbers"), "{error}");
    let deep = |groups: usize| {
        let mut file = File::new();
        let mut address = file.header(&[shape(&[1]), double(), contiguous(NOWHERE, 8)]);
        for _ in 0..groups {
            address = file.header(&[link("g", address)]);
        }
        file.with_root(address)
    };
    let format = detect_with(&deep(17), &ReadOptions::default()).expect("as deep as is read");
    assert_eq!(format.columns(0), Some(1));
    is_refused(&deep(18), &[], "groups that are more than 16 deep");
}

#[test]
fn chunks_that_were_never_written_take_no_memory_without_end() {
    let mut file = File::new();
    let messages = [shape(&[1 << 20]), double(), chunked(NOWHERE, &[1])];
    let links = variables(&mut file, 1000, &messages);
    let bytes = file.with_links(&links);
    // The fifth, in the order of the names.
    is_refused(&bytes, &[], "the variable \"v101\": its chunks and those before it are more");
    let few = detect_with(&bytes, &options(&["v0", "v10"], None)).expect("those that are counted");
    assert_eq!(few.columns(0), Some(2 << 20));
}

#[test]
fn trees_of_chunks_end() {
    let tree = |nodes: &mut dyn FnMut(&mut File) -> u64| {
        let mut file = File::new();
        let address = nodes(&mut file);
        let messages = [shape(&[1000]), double(), chunked(address, &[1])];
        let links = variables(&mut file, 3, &messages);
        file.with_links(&links)
    };
    // A thousand million entries, by three nodes.
    let shared = tree(&mut |file| {
        let leaf = file.put(&node(0, 1000, 8));
        let inner = file.put(&node(1, 1000, leaf));
        file.put(&node(2, 1000, inner))
    });
    is_refused(&shared, &[], "the variable \"v0\": an HDF5 file with structures that share");
    let itself = tree(&mut |file| {
        let place = file.put(&[]);
        file.put(&node(1, 1, place))
    });
    is_refused(&itself, &[], "a tree of chunks of an impossible form");
}

#[test]
fn sizes_that_are_too_large_to_be_multiplied_are_no_sizes() {
    let mut file = File::new();
    let numbers = file.put(&[0; 8]);
    let huge = [shape(&[0, 1 << 40, 1 << 40]), double(), contiguous(NOWHERE, 0)];
    let mut links = variables(&mut file, 1, &huge);
    let one = file.header(&[shape(&[1]), double(), contiguous(numbers, 8)]);
    links.push(("one".to_owned(), one));
    let format = detect_with(&file.with_links(&links), &ReadOptions::default()).expect("a number");
    assert_eq!((format.columns(0), format.reading_bytes()), (Some(1), 0));
}

#[test]
fn a_chunk_that_is_stored_takes_no_more_memory_than_a_chunk() {
    let mut file = File::new();
    let mut leaf = node(0, 1, 8);
    leaf[24..28].copy_from_slice(&u32::MAX.to_le_bytes());
    let leaf = file.put(&leaf);
    let filter = (0x0B, vec![1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let messages = [shape(&[1]), double(), chunked(leaf, &[1]), filter];
    let links = variables(&mut file, 1, &messages);
    let mut bytes = file.with_links(&links);
    assert!(bytes.len() < HEAD_BYTES);
    bytes.resize(HEAD_BYTES, 0);
    // The file has as many bytes.
    let detected = Format::detect_in(&bytes, &[], 1 << 40, &ReadOptions::default(), &[]);
    let Err(error) = detected else { panic!("{detected:?}") };
    assert!(error.to_string().contains("a chunk of 4294967295 bytes"), "{error}");
}

#[test]
fn filters_are_no_more_than_the_format_has() {
    let mut file = File::new();
    let leaf = file.put(&node(0, 1, 8));
    let filter = (0x0B, [vec![1, 200, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0].repeat(200)]);
    let filter = (filter.0, filter.1.concat());
    let messages = [shape(&[1]), double(), chunked(leaf, &[1]), filter];
    let links = variables(&mut file, 1, &messages);
    is_refused(&file.with_links(&links), &[], "200 filters");
}

/// Dimensions without names are found by their lengths: looking through all of them took
/// minutes.
#[test]
fn many_dimensions_without_names_are_found_quickly() {
    let mut file = File::new();
    let links: Vec<(String, u64)> = (1..=20_000_u64)
        .map(|at| {
            let shape = shape(&[2 * at, 2 * at + 1]);
            (format!("v{at}"), file.header(&[shape, double(), contiguous(NOWHERE, 8)]))
        })
        .collect();
    let bytes = file.with_links(&links);
    let format = detect_with(&bytes, &options(&["v1", "v20000"], None)).expect("two variables");
    assert_eq!(format.columns(0), Some(2 * 3 + 40_000 * 40_001));
}

/// More and more is asked for only as long as there is more to be had.
#[test]
fn a_chain_of_headers_ends() {
    let mut file = File::new();
    let mut address = file.put(&[]);
    // Each place is on a page of its own.
    for _ in 0..100 {
        let place = address + 16;
        file.bytes.resize(file.bytes.len() + 8192, 0);
        let next = file.put(&[]);
        let header = [vec![1, 0, 1, 0, 1, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0]].concat();
        let block = block(&[continuation((next + 16, 24))]);
        let begin = usize::try_from(place).expect("small") - 16;
        file.bytes[begin..begin + 16].copy_from_slice(&header);
        file.bytes[begin + 16..begin + 16 + block.len()].copy_from_slice(&block);
        address = next;
    }
    file.bytes.resize(file.bytes.len() + 64, 0);
    let bytes = file.with_root(96);
    let (mut others, mut rounds) = (Vec::new(), 0);
    let end = loop {
        rounds += 1;
        let total = bytes.len() as u64;
        let options = ReadOptions::default();
        match Format::detect_in(&bytes[..HEAD_BYTES], &others, total, &options, &[]) {
            Ok(Detection::NeedsRanges(ranges)) => {
                for range in ranges {
                    let [from, to] =
                        [range.start, range.end].map(|at| usize::try_from(at).expect("small"));
                    let bytes = bytes[from..to].to_vec();
                    others.push(summation::Piece { start: range.start, bytes });
                }
            }
            other => break other,
        }
    };
    assert!(rounds > 90, "{rounds}");
    assert!(end.unwrap_err().to_string().contains("without numbers"));
}
