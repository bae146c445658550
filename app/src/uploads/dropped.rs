//! The files that a user has chosen or dropped, those of folders included.

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::js_sys::{Array, Function, Promise, Reflect};

/// A file on the user's machine.
#[derive(Clone, Debug)]
pub struct LocalFile {
    /// Its name, after the path in the folder that was chosen or dropped.
    pub path: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The `File` of the browser.
    pub(super) content: JsValue,
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = File)]
    type BrowserFile;

    #[wasm_bindgen(method, getter)]
    fn name(this: &BrowserFile) -> String;

    #[wasm_bindgen(method, getter)]
    fn size(this: &BrowserFile) -> f64;

    #[wasm_bindgen(method, getter, js_name = webkitRelativePath)]
    fn relative_path(this: &BrowserFile) -> Option<String>;

    /// A file, or some of its bytes.
    pub(super) type Blob;

    #[wasm_bindgen(method)]
    fn slice(this: &Blob, start: f64, end: f64) -> Blob;

    #[wasm_bindgen(method, js_name = arrayBuffer)]
    pub(super) fn array_buffer(this: &Blob) -> Promise;

    /// A file or folder that was dropped.
    type Entry;

    #[wasm_bindgen(method, getter, js_name = isFile)]
    fn is_file(this: &Entry) -> bool;

    #[wasm_bindgen(method, getter, js_name = fullPath)]
    fn full_path(this: &Entry) -> String;

    #[wasm_bindgen(method)]
    fn file(this: &Entry, found: &Function, failed: &Function);

    #[wasm_bindgen(method, js_name = createReader)]
    fn reader(this: &Entry) -> FolderReader;

    type FolderReader;

    #[wasm_bindgen(method, js_name = readEntries)]
    fn read(this: &FolderReader, found: &Function, failed: &Function);

    type DroppedItem;

    #[wasm_bindgen(method, js_name = webkitGetAsEntry)]
    fn entry(this: &DroppedItem) -> JsValue;
}

impl LocalFile {
    /// Some of its bytes, as a `Blob`: they are read once they are sent.
    pub(super) fn part(&self, start: u64, end: u64) -> Blob {
        self.content.unchecked_ref::<Blob>().slice(start as f64, end as f64)
    }

    fn new(file: JsValue, path: Option<String>) -> LocalFile {
        let known: &BrowserFile = file.unchecked_ref();
        let path = path.or_else(|| known.relative_path()).filter(|path| !path.is_empty());
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the size of a file is a whole number below 2^53"
        )]
        let bytes = known.size() as u64;
        LocalFile { path: path.unwrap_or_else(|| known.name()), bytes, content: file }
    }
}

/// The files of an input element, which is emptied so that they can be chosen again.
#[must_use]
pub fn chosen_files(input: &JsValue) -> Vec<LocalFile> {
    let files = Reflect::get(input, &"files".into()).unwrap_or_default();
    let files = shown_files(Array::from(&files).iter().map(|file| LocalFile::new(file, None)));
    let _ = Reflect::set(input, &"value".into(), &"".into());
    files
}

/// The files that a drop event brings, and those of the folders that it brings.
pub async fn dropped_files(event: &JsValue) -> Vec<LocalFile> {
    let transfer = Reflect::get(event, &"dataTransfer".into()).unwrap_or_default();
    let items = Reflect::get(&transfer, &"items".into()).unwrap_or_default();
    // All at once: after the event the browser forgets them.
    let mut entries: Vec<Entry> = Array::from(&items)
        .iter()
        .map(|item| item.unchecked_into::<DroppedItem>().entry())
        .filter(|entry| !entry.is_null() && !entry.is_undefined())
        .map(JsCast::unchecked_into)
        .collect();
    let mut files = Vec::new();
    while let Some(entry) = entries.pop() {
        if entry.is_file() {
            let path = entry.full_path().trim_start_matches('/').to_owned();
            let found = Promise::new(&mut |resolve, reject| entry.file(&resolve, &reject));
            // A file that has vanished since is left out.
            if let Ok(file) = JsFuture::from(found).await {
                files.push(LocalFile::new(file, Some(path)));
            }
            continue;
        }
        let reader = entry.reader();
        loop {
            let found = Promise::new(&mut |resolve, reject| reader.read(&resolve, &reject));
            let some = JsFuture::from(found).await.map(|found| Array::from(&found));
            // A folder is read until nothing more comes.
            match some {
                Ok(some) if some.length() > 0 => {
                    entries.extend(some.iter().map(JsCast::unchecked_into));
                }
                _ => break,
            }
        }
    }
    let mut files = shown_files(files.into_iter());
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// Leaves out what systems put into folders unasked, such as `.DS_Store`.
fn shown_files(files: impl Iterator<Item = LocalFile>) -> Vec<LocalFile> {
    let is_shown = |file: &LocalFile| !file.path.split('/').any(|part| part.starts_with('.'));
    files.filter(is_shown).collect()
}
