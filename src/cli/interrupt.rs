//! What Ctrl-C does to a verb that waits for something the daemon does.

use std::io::Write;

use super::called::hint;

/// As shells name the end by SIGINT.
const INTERRUPTED: i32 = 130;

/// From now on Ctrl-C ends this process with what these words then are on stderr. Where that cannot be set up it ends it
/// without them; what the daemon does goes on either way.
pub fn says(words: impl Fn() -> String + Send + 'static) {
    let wait = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let heard = runtime.and_then(|runtime| runtime.block_on(tokio::signal::ctrl_c()));
        if heard.is_ok() {
            // With stderr closed there is nobody to tell.
            let _ = std::io::stderr().write_all(format!("\n{}\n", hint(&words())).as_bytes());
            std::process::exit(INTERRUPTED);
        }
    };
    // Without a thread for it, Ctrl-C keeps its plain meaning.
    let _ = std::thread::Builder::new().name("interrupt".into()).spawn(wait);
}
