//! What operators give: files that others wrote, and URLs.

use fanfare::__private::outside;
use fanfare::streamers::AnyStreamer;

/// A `fanfare.schemas.json`.
pub fn schemas(input: &[u8]) {
    // An error says that it is none.
    let _ = outside::schemas(input);
}

/// Two services, as `topology --json` writes them, with a line between them that is `---`.
pub fn topology(input: &[u8]) {
    const BETWEEN: &[u8] = b"\n---\n";
    let at = input.windows(BETWEEN.len()).position(|it| it == BETWEEN);
    let (one, other) = match at {
        Some(at) => (&input[..at], &input[at + BETWEEN.len()..]),
        None => (input, &[][..]),
    };
    let mut files = vec![("one", one), ("other", other)];
    files.retain(|(_, text)| !text.is_empty());
    if let Err(error) = outside::merge(files) {
        assert!(!error.to_string().is_empty());
    }
}

/// What is no part of a message, wherever a password stands.
const PASSWORD: &str = "S3cr3t";

/// The URL of a streamer.
pub fn url(input: &[u8]) {
    let Ok(url) = str::from_utf8(input) else {
        return;
    };
    if let Err(error) = AnyStreamer::from_url(url) {
        let said = error.to_string();
        assert!(!said.is_empty());
        assert!(!has_password(url) || !said.contains(PASSWORD), "{said}");
    }
}

/// Behind the user's name, before the `@`, and nowhere else.
fn has_password(url: &str) -> bool {
    if url.matches(PASSWORD).count() > 1 {
        return false;
    }
    let rest = url.split_once("://").map(|(_, rest)| rest);
    let user = rest.and_then(|rest| rest.rsplit_once('@'));
    let password = user.and_then(|(user, _)| user.split_once(':'));
    password.is_some_and(|(_, password)| password.contains(PASSWORD))
}
