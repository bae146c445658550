//! A clock that tests can set, for one process.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Puts the clock of a process forward, or back, by the seconds in a file, and writes
/// beside it by how many it was set last. The monotonic clock stays as it is.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    static _Thread_local long seen = 0;
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, now);
    if (id != CLOCK_REALTIME) return done;
    const char *path = getenv("CLOCK_OFFSET_FILE");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return done;
    long seconds = 0;
    int found = fscanf(file, "%ld", &seconds);
    fclose(file);
    if (found != 1) return done;
    now->tv_sec += seconds;
    if (seconds == seen) return done;
    seen = seconds;
    char beside[4096];
    snprintf(beside, sizeof beside, "%s.seen", path);
    file = fopen(beside, "w");
    if (file) {
        fprintf(file, "%ld", seconds);
        fclose(file);
    }
    return done;
}
"#;

/// The clock of processes that are started with [`environment`](Clock::environment). It
/// shows the time of the machine until it is [set](Clock::set).
pub struct Clock {
    folder: TempDir,
}

impl Clock {
    /// Compiles the library that processes load.
    ///
    /// # Panics
    ///
    /// If there is no C compiler, which Rust needs too.
    #[must_use]
    pub fn new() -> Clock {
        let clock = Clock { folder: tempfile::tempdir().expect("a temporary folder") };
        let source = clock.path("clock.c");
        std::fs::write(&source, SOURCE).expect("writing the source");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([clock.path("clock.so"), source])
            .arg("-ldl")
            .status()
            .expect("the C compiler");
        assert!(compiled.success(), "compiling the clock");
        clock
    }

    /// What a process is started with.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.path("clock.so")), ("CLOCK_OFFSET_FILE", self.path("offset"))]
    }

    /// Sets the clock this many seconds from that of the machine.
    ///
    /// # Panics
    ///
    /// If its file cannot be written.
    pub fn set(&self, seconds: i64) {
        // Atomically, as clocks are set.
        let next = self.path("next");
        std::fs::write(&next, seconds.to_string()).expect("writing the offset");
        std::fs::rename(&next, self.path("offset")).expect("setting the clock");
    }

    /// By how many seconds the clock was off when a process last found it changed; `None`
    /// before.
    #[must_use]
    pub fn seen(&self) -> Option<i64> {
        let text = std::fs::read_to_string(self.path("offset.seen")).ok()?;
        text.parse().ok()
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}
