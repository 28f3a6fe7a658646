//! What reaches the supervisor from outside. It must not end with the terminal, the session or the Ctrl-C of whoever started it, so
//! signals are blocked and only SIGTERM is heard: a machine that shuts down sends it, and it ends the program in an orderly way.
//!
//! They are blocked and not ignored because an ignored signal stays ignored in programs that are started from here.

use super::news::{Herald, News, name_thread};
use std::{io, mem::MaybeUninit, ptr};

/// Those which a terminal, a shell or a shutdown sends.
const BLOCKED: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// Blocks them in this thread and those that it starts.
pub(super) fn block() {
    let set = set(&BLOCKED);
    // SAFETY: the set is initialised, and a null pointer for the old set is allowed.
    #[allow(unsafe_code)]
    unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
    }
}

/// Tells of each SIGTERM, for which [`block`] must have been called.
pub(super) fn listen(herald: &Herald) -> io::Result<()> {
    let herald = herald.try_clone()?;
    let set = set(&[libc::SIGTERM]);
    let listening = move || {
        let mut signal = 0;
        // SAFETY: both point to values that live as long as the call.
        #[allow(unsafe_code)]
        while unsafe { libc::sigwait(&raw const set, &raw mut signal) } == 0 {
            herald.say(News::Terminate);
        }
    };
    name_thread("signals").spawn(listening).map(drop)
}

/// Gives a new process the signals as a login gives them: nothing blocked, nothing ignored. Between fork and exec, so only calls that
/// are safe there.
pub(super) fn reset() {
    let none = set(&[]);
    // SAFETY: both calls are async-signal-safe and touch no memory but the set.
    #[allow(unsafe_code)]
    unsafe {
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Closes what this process has inherited beyond its standard input, output and error: a server started with an open socket or
/// pipe must not find it held by its runs. To be called first of all, while nothing has been opened here.
pub(super) fn close_inherited_files() {
    // SAFETY: no descriptor from 3 on belongs to anything in this process yet.
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code)]
    unsafe {
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32);
    }
}

fn set(signals: &[libc::c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set, and sigaddset changes it only then.
    #[allow(unsafe_code)]
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}
