//! Secrets in the environment, and who can read what this process holds. On Linux everything of the
//! same user, above all a program that is run, could read `/proc/<pid>/environ` and
//! `/proc/<pid>/mem` of the server otherwise.

use std::io;

/// The variables that hold a secret, or may: an address of a database has room for a password.
pub const SECRETS: [&str; 2] = ["KONTASKS_TOKEN", "KONTASKS_DATABASE"];

/// Closes this process's memory and open files to others of the same user. To be called first of
/// all: until then they can read the environment that it was started with.
///
/// # Errors
/// The system refuses.
pub fn protect_memory() -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Takes the secrets out of the environment, for whoever may read it all the same (root). To be
/// called when they have been read and before any thread is started.
pub fn remove_secrets() {
    overwrite();
    for name in SECRETS {
        // SAFETY: there is one thread, as this function asks for.
        #[allow(unsafe_code)]
        unsafe {
            std::env::remove_var(name);
        }
    }
}

/// Overwrites the values where the kernel put them. Removing a variable takes it out of the list
/// only: `/proc/<pid>/environ` shows the memory that the process began with, and so it must be
/// changed there. The list that the C library keeps leads to it. Writing to `/proc/self/mem`
/// instead would do the same without `unsafe`, but only on Linux and only where `/proc` is mounted;
/// and starting the program anew with the secrets in a pipe would need a protocol between the two.
fn overwrite() {
    // SAFETY: the list ends with a null pointer and its members with a NUL; they lie in memory that
    // belongs to this process for good and may be written. There is one thread, and no reference to
    // them is kept anywhere.
    #[allow(unsafe_code)]
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let text = std::ffi::CStr::from_ptr(*entry).to_bytes();
            if let Some(name) = text.iter().position(|byte| *byte == b'=').filter(|end| is_secret(&text[..*end])) {
                let (begin, length) = (name + 1, text.len() - name - 1);
                std::ptr::write_bytes((*entry).add(begin), 0, length);
            }
            entry = entry.add(1);
        }
    }
}

fn is_secret(name: &[u8]) -> bool {
    SECRETS.iter().any(|secret| secret.as_bytes() == name)
}

#[allow(unsafe_code)]
unsafe extern "C" {
    static environ: *const *mut std::ffi::c_char;
}
